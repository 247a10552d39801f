"""``stream-mer forget``: what is kept no longer, for a retention period."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from math import isfinite
from pathlib import Path

from stream_mer.app.outputs import EVENTS, REPORT
from stream_mer.app.sources import EVIDENCE, PARTS, THUMBNAILS
from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.event_table import find_logs
from stream_mer.sinks.export import FORMATS
from stream_mer.sinks.manifest import MANIFEST, Manifest

PAGE = "report.html"
PAGES = (PAGE, f"{PAGE}.part")
"""A report, and what a kill left of one."""
PICTURES = ("overlay.mp4", "overlay-*.mp4", ".overlay*.part", *PAGES, EVIDENCE, PARTS, THUMBNAILS)
"""Everything in a run's folder that may show a face."""
_WRITTEN = (EVENTS, "rejected.jsonl", "reviews.jsonl", REPORT, *FORMATS.values())
_SET_ASIDE = ("events-*T*Z.jsonl", "rejected-*T*Z.jsonl", "run-*T*Z.json")
WORDS = (*_WRITTEN, *(f"{name}.part" for name in _WRITTEN), *_SET_ASIDE)
"""Everything else: of this run, exports included, and of the live runs before it."""


def forget(root: Path, days: float, everything: bool) -> int:
    """Delete what shows faces (or whole runs) that is older than so many days.

    A report over many runs goes with the first of them: it shows the faces of all. With ``everything`` the
    manifest forgets the runs, too, or ``process --resume`` would write their events again.

    Args:
        root: a run, or a folder of runs.
        days: since a run wrote its events.
        everything: the events, reviews and reports as well.

    Raises:
        ConfigError: no run there, ``days`` is no age, or a run is writing there.
        OutputError: something cannot be deleted.
    """
    if not (isfinite(days) and days >= 0):
        raise ConfigError(f"--older-than {days:g} is no age.\nGive days, 0 or more: --older-than 30.")
    limit_s = time.time() - days * 86400
    count = 0
    for folder in _old_runs(root, limit_s):
        if everything:
            _forget_in_manifest(folder)
        for name in (*PICTURES, *WORDS) if everything else PICTURES:
            for path in sorted(folder.glob(name)):
                _delete(path)
                count += 1
        for above in _between(folder, root):
            for page in (above / name for name in PAGES if (above / name).exists()):
                _delete(page)
                count += 1
        if everything:
            _remove_empty(folder, root)
    print(f"{count} outputs older than {days:g} days deleted")
    return 0


def _old_runs(root: Path, limit_s: float) -> list[Path]:
    """Folders of runs that ended before; those that were killed left parts of a picture, but no events."""
    killed = [path for path in root.rglob(PARTS) if not (path.parent / EVENTS).exists()]
    logs = [log for _, log in find_logs([root])] if not killed or any(root.rglob(EVENTS)) else []
    return [path.parent for path in (*logs, *killed) if path.stat().st_mtime <= limit_s]


def _between(folder: Path, root: Path) -> Iterator[Path]:
    """The folders above a run, up to ``root``."""
    if folder != root:
        for above in folder.parents:
            yield above
            if above == root:
                return


def _forget_in_manifest(folder: Path) -> None:
    """Remove a run from the manifest that has it; live runs have none."""
    place = folder.resolve()
    above = next((above for above in place.parents if (above / MANIFEST).exists()), None)
    if above is not None:
        with closing(Manifest(above / MANIFEST)) as manifest:
            manifest.forget(place.relative_to(above).as_posix())


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove the folder and those above it, for their names tell of the run, as far as nothing is in them."""
    with suppress(OSError):  # the first that is not empty
        for one in (folder, *_between(folder, root)):
            if one != root:
                one.rmdir()


def _delete(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise OutputError(f"cannot delete {path}: {error.strerror}\nCheck its rights.") from error
