"""All datasets by name: how each is read, and what was published about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path

from stream_mer.datasets.casme import read_casme, read_casme2
from stream_mer.datasets.casme3 import read_casme3_a, read_casme3_c
from stream_mer.datasets.casme_sq import read_casme_sq
from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.folder import read_own
from stream_mer.datasets.fourdme import read_4dme
from stream_mer.datasets.mmew import read_mmew
from stream_mer.datasets.samm import read_samm, read_samm_lv
from stream_mer.datasets.smic import read_smic, read_smic_subhs
from stream_mer.datasets.smic_e import read_smic_e
from stream_mer.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

READERS: Mapping[str, Callable[[Path, Path | None], Dataset]] = {
    "casme2": read_casme2,
    "casme": read_casme,
    **{f"smic-{camera}": partial(read_smic, camera=camera) for camera in ("hs", "vis", "nir")},
    "smic-subhs": read_smic_subhs,
    **{f"smic-e-{camera}": partial(read_smic_e, camera=camera) for camera in ("hs", "vis", "nir")},
    "samm": read_samm,
    "samm-lv": read_samm_lv,
    "casme-sq": read_casme_sq,
    "casme3-a": read_casme3_a,
    "casme3-c": read_casme3_c,
    "mmew": read_mmew,
    "4dme": read_4dme,
    "folder": read_own,
}
"""Every dataset's reader: takes the root, and the folder of the frames where it is not the usual one."""
LONG_VIDEOS = ("samm-lv", "casme-sq")
"""Those annotated in whole recordings rather than cut into clips."""


@dataclass(frozen=True, slots=True)
class Published:
    """Figures to compare a copy with; a pair is the fewest and the most that published versions hold."""

    title: str
    clips: tuple[int, int] | None = None
    macro: tuple[int, int] | None = None
    subjects: int | None = None
    videos: tuple[int, int] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)


def load(
    name: str, root: Path | str, *, frames: Path | None = None, clip_list: Path | None = None
) -> Dataset:
    """Read a dataset's annotations and find its frames; no picture is read.

    Args:
        name: one of ``READERS``.
        root: the folder with the workbook and the frames.
        frames: folder of the clips, if it is not called as usual.
        clip_list: for ``smic-subhs``, a text file that says which clips are meant.

    Raises:
        ConfigError: unknown name, wrong root, no or another workbook. What is wrong with single rows is in
            the result, see ``Dataset.whole``.
    """
    if name not in READERS:
        raise ConfigError(f"unknown dataset {name!r}\nchoose one of {', '.join(READERS)}")
    if frames is not None and not frames.is_dir():
        raise ConfigError(f"{frames} is no folder\ngive the folder that holds the clips of {name}")
    if clip_list is not None and name != "smic-subhs":
        raise ConfigError(f"a list of clips belongs to smic-subhs, not to {name}\nleave it out")
    try:
        if name == "smic-subhs":
            return read_smic_subhs(Path(root), frames, clip_list=clip_list)
        return READERS[name](Path(root), frames)
    except PermissionError as error:
        raise ConfigError(
            f"cannot read {error.filename}: {error.strerror}\ngive yourself the permission"
        ) from error


def published(name: str) -> Published:
    """What was published about a dataset."""
    text = resources.files("stream_mer.datasets").joinpath("published.toml").read_text(encoding="utf-8")
    one = tomllib.loads(text)[name]

    def pair(key: str) -> tuple[int, int] | None:
        return (one[key][0], one[key][1]) if key in one else None

    return Published(
        one["title"], pair("clips"), pair("macro"), one.get("subjects"), pair("videos"), one.get("labels", {})
    )
