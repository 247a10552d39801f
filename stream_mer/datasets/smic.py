"""SMIC by camera (high speed 100 fps; visual and near infrared 25 fps), and SMIC-E, its long clips."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from stream_mer.datasets.annotated import SYNONYMS, THREE, Found, Scheme, make_records, no_folder, padded
from stream_mer.datasets.findings import Dataset, Findings, RowError
from stream_mer.datasets.places import Places
from stream_mer.datasets.records import ClipRecord
from stream_mer.datasets.tables import ABSENT, Row, find_workbook, frame_number, read_table
from stream_mer.errors import ConfigError

CAMERAS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}
_CLIP = re.compile(r"^s0*(\d+)_(ne|po|su|sur)_0*(\d+)$", re.IGNORECASE)
_SETS = ("SMIC_all_raw", "SMIC_all_cropped", "SMIC", "SMIC_all_raw_image", "SMIC_raw", "SMIC_cropped", ".")
E_COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("OnsetF", "Onset"),
    "offset": ("OffsetF", "Offset"),
    "first": ("FirstF", "First"),
    "label": ("Emotion",),
    **{f"{name}{n}": (f"{name.capitalize()}{n}F",) for n in (2, 3) for name in ("onset", "offset")},
}
"""A long clip may hold up to three expressions: OnsetF and OffsetF, Onset2F and Offset2F, ..."""


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
    looked_at = 0
    for subject in places.folders(base):
        micro = places.descend(subject, ("micro",))
        if micro is None:
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
        if word and _CLIP.match(word) is None:
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
    found = _CLIP.match(name)
    return f"s{found[1]}_{found[2].lower()[:2]}_{found[3]}" if found else name.lower()


def read_smic_e(root: Path, frames: Path | None = None, *, camera: str = "hs") -> Dataset:
    """SMIC-E of one camera: long clips and ``SMIC-HS-E_annotation.xlsx``.

    The table's frame numbers count from the recording's start; ``FirstF`` is the number of the clip's first
    frame. Where the file names do not carry those numbers, the frames are counted from the clip's first. A
    clip with several expressions has one row; it becomes a record for each.
    """
    findings, places = Findings(), Places()
    name, word = f"smic-e-{camera}", camera.upper()
    table = find_workbook(root, (f"SMIC-{word}-E_annotation*.xls*", f"SMIC-{word}-E*.xls*"), name)
    optional = ("label", "onset2", "offset2", "onset3", "offset3")
    rows = [one for row in read_table(table, E_COLUMNS, optional=optional) for one in _expressions(row)]
    base = frames or _e_folder(root, word, places) or table.parent

    def find(row: Row) -> Found:
        subject, clip = padded(row.cells["subject"], 2, "s"), row.cells["clip"]
        for name in (subject, padded(subject, 1, "s"), "."):
            inside = places.folders(places.descend(base, (name,)) or base / name)
            folder = next((one for one in inside if clip_key(one.name) == clip_key(clip)), None)
            if folder is not None:
                return Found(subject, clip, folder)
        raise no_folder(base, (subject, clip))

    counted = [_counted(row, places, find) for row in rows]
    scheme = Scheme(name, CAMERAS[camera], THREE)
    records = make_records(scheme, counted, table, places, findings, find)
    return Dataset(
        name, root, table, tuple(records), tuple(findings.problems), tuple(findings.corrections), len(rows)
    )


def _expressions(row: Row) -> list[Row]:
    """A row for each expression of a long clip: those beyond the first where both frames are given."""
    further = [
        row.with_cells({"onset": row.cells[f"onset{n}"], "offset": row.cells[f"offset{n}"]})
        for n in (2, 3)
        if all(row.cells.get(f"{name}{n}", "").lower() not in ABSENT for name in ("onset", "offset"))
    ]
    return [row, *further]


def _counted(row: Row, places: Places, find: Callable[[Row], Found]) -> Row:
    """The row in the numbers of its files, and its label from the clip's name where the table has none."""
    changes = {}
    named = _CLIP.match(row.cells["clip"])
    if (
        named
        and row.cells.get("label", "").lower() not in SYNONYMS
        and not row.cells.get("label", "").isalpha()
    ):
        changes["label"] = named[2].lower()
    try:
        numbers = list(places.frames(find(row).folder))
        onset, offset, first = (frame_number(row, name) for name in ("onset", "offset", "first"))
    except RowError:
        return row.with_cells(changes)  # said again, with its row, when the record is made
    # Not only where the table's numbers lie beyond the files': a long clip numbered anew may hold both.
    if onset is not None and offset is not None and first is not None and numbers[0] != first:
        shift = numbers[0] - first
        if numbers[0] <= onset + shift and offset + shift <= numbers[-1]:
            changes |= {"onset": str(onset + shift), "offset": str(offset + shift)}
    return row.with_cells(changes)


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


def _e_folder(root: Path, word: str, places: Places) -> Path | None:
    for first in ("SMIC-E_raw image", "SMIC-E_raw_image", "SMIC-E", "."):
        for second in (f"{word}_long", "."):
            for third, last in ((f"SMIC-{word}-E", word), (".", word), (f"SMIC-{word}-E", ".")):
                found = places.descend(root, (first,), (second,), (third,), (last,))
                if found is not None:
                    return found
    return None
