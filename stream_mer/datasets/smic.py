"""SMIC by camera: high speed with 100 frames a second, visual and near infrared with 25."""

from __future__ import annotations

import re
from pathlib import Path

from stream_mer.datasets.annotated import SYNONYMS, THREE, padded
from stream_mer.datasets.crosschecks import require_person
from stream_mer.datasets.findings import Dataset, Findings, RowError
from stream_mer.datasets.places import Places
from stream_mer.datasets.records import ClipRecord
from stream_mer.errors import ConfigError

CAMERAS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}
CLIP_NAME = re.compile(r"^s0*(\d+)_(ne|po|su|sur)_0*(\d+)$", re.IGNORECASE)
_PERSON = re.compile(r"^s(?:ub)?\d+$", re.IGNORECASE)
_SETS = ("SMIC_all_raw", "SMIC_all_cropped", "SMIC", "SMIC_all_raw_image", "SMIC_raw", "SMIC_cropped", ".")


def read_smic(
    root: Path, frames: Path | None = None, *, camera: str = "hs", clips: frozenset[str] | None = None
) -> Dataset:
    """SMIC of one camera: ``HS/s1/micro/negative/s1_ne_01/*.bmp``; folders say everything, there is no table.

    The whole clip is the expression; there is no apex and no action unit.

    Args:
        root: a folder with ``HS`` (or ``VIS``, ``NIR``) in it, or with the set's folder.
        frames: the camera's own folder, if it is called otherwise.
        camera: ``hs``, ``vis`` or ``nir``.
        clips: only these (names as ``clip_key`` writes them).

    Raises:
        ConfigError: no such folder; or a clip asked for is not there.
    """
    findings, places = Findings(), Places()
    base = frames or _camera_folder(root, camera, places)
    name = f"smic-{camera}" if clips is None else "smic-subhs"
    records = []
    seen: dict[tuple[str, str], Path] = {}
    looked_at = 0
    for subject in places.folders(base):
        micro = places.descend(subject, ("micro",))
        if micro is None:
            if _PERSON.match(subject.name):
                findings.warn(subject, None, "there is no folder micro in it", "copy it, if there should be")
            continue
        for emotion in places.folders(micro):
            label = SYNONYMS.get(emotion.name.lower(), emotion.name.lower())
            if label not in THREE:
                findings.warn(
                    emotion, None, f"unknown label {label!r}", f"known are {', '.join(sorted(THREE))}"
                )
            for folder in places.folders(emotion):
                if clips is not None and clip_key(folder.name) not in clips:
                    continue
                looked_at += 1
                person = padded(subject.name, 2, "s")
                try:
                    agree(person, label, folder.name)
                    first = seen.setdefault((person, clip_key(folder.name)), folder)
                    if first is not folder:
                        raise RowError(f"the same clip is in {first}", "remove one of the two")
                    records.append(_clip(name, camera, person, label, folder, places))
                except RowError as error:
                    findings.leave_out(folder, None, error.what, error.mend)
    if not looked_at:
        raise ConfigError(
            f"no clips of SMIC in {base}\nthere should be s1/micro/negative/s1_ne_01/ with the frames in it"
        )
    if clips is not None:
        there = {clip_key(record.clip) for record in records}
        for missing in sorted(clips - there):
            findings.leave_out(
                base, None, f"clip {missing} of the list is not there", "copy it, or correct the list"
            )
    return Dataset(name, root, None, tuple(records), tuple(findings.problems), (), looked_at)


def read_smic_subhs(root: Path, frames: Path | None = None, *, clip_list: Path | None = None) -> Dataset:
    """The part of SMIC-HS that the paper calls subHS: an explicit list of clips.

    No source defines it. By default it is taken as the HS clips that were also filmed with the visual
    camera, by the names of the VIS clips; ``clip_list`` (a text file, one name a line) says otherwise.

    Raises:
        ConfigError: neither a list nor VIS clips.
    """
    if clip_list is not None:
        return read_smic(root, frames, camera="hs", clips=read_clip_list(clip_list))
    try:
        visual = read_smic(root, camera="vis")
    except ConfigError as error:
        raise ConfigError(
            f"SMIC-subHS needs the VIS clips beside HS in {root}, or a list of clips\n"
            "give --clips FILE with one clip name a line, such as s11_ne_01"
        ) from error
    return read_smic(root, frames, camera="hs", clips=frozenset(clip_key(r.clip) for r in visual.records))


def read_clip_list(path: Path) -> frozenset[str]:
    """Clip names from a text file, one a line; ``#`` begins a remark.

    Raises:
        ConfigError: unreadable, empty, or a line that is no clip of SMIC.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the list of clips {path}: {error}\ngive a text file") from error
    names = {}
    for number, line in enumerate(lines, 1):
        word = line.split("#")[0].strip()
        if word and CLIP_NAME.match(word) is None:
            raise ConfigError(
                f"{path}, row {number}: {word!r} is no clip of SMIC\nwrite names such as s11_ne_01"
            )
        if word:
            names[clip_key(word)] = number
    if not names:
        raise ConfigError(f"{path} names no clip\nwrite one a line, such as s11_ne_01")
    return frozenset(names)


def clip_key(name: str) -> str:
    """A clip's name without the zeros and cases that differ between copies.

    >>> clip_key("S03_Sur_01"), clip_key("s3_su_1")
    ('s3_su_1', 's3_su_1')
    """
    found = CLIP_NAME.match(name)
    return f"s{found[1]}_{found[2].lower()[:2]}_{found[3]}" if found else name.lower()


def _clip(name: str, camera: str, subject: str, label: str, folder: Path, places: Places) -> ClipRecord:
    numbers = list(places.frames(folder))
    return ClipRecord(
        dataset=name,
        subject=subject,
        clip=folder.name,
        path=folder,
        fps=CAMERAS[camera],
        onset=numbers[0],
        apex=None,
        offset=numbers[-1],
        label=label,
        first_frame=numbers[0],
        labels=(label,),
    )


def agree(subject: str, label: str, clip: str) -> None:
    """Check a clip's subject and emotion against its name, ``s3_ne_01``.

    Raises:
        RowError: it was put into another one's folder or row.
    """
    named = CLIP_NAME.match(clip)
    if named is None:
        return
    require_person(subject, named[1], clip)
    said, meant = SYNONYMS.get(label.lower(), label.lower()), SYNONYMS[named[2].lower()]
    if said in THREE and said != meant:
        raise RowError(
            f"{said} does not fit the clip {clip}, which is {meant}", "correct the one that is wrong"
        )


def _camera_folder(root: Path, camera: str, places: Places) -> Path:
    if not root.is_dir():
        raise ConfigError(
            f"the root of SMIC, {root}, is no folder\ngive the folder that holds {camera.upper()}/"
        )
    for name in _SETS:
        found = places.descend(root, (name,), (camera, f"SMIC-{camera}", f"SMIC_{camera}"))
        if found is not None:
            return found
    if root.name.lower() == camera:
        return root
    hint = next((f for f in (root.parent, root.parent.parent) if places.descend(f, (camera,))), None)
    mend = (
        f"give --root {hint}"
        if hint is not None
        else f"give the folder that holds {camera.upper()}/s1/micro/..."
    )
    raise ConfigError(f"no folder {camera.upper()} of SMIC in {root}\n{mend}")
