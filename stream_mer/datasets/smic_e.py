"""SMIC-E: the long clips of SMIC, several expressions in one, and their workbook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stream_mer.datasets.annotated import SYNONYMS, THREE, Found, Scheme, make_records, no_folder, padded
from stream_mer.datasets.crosschecks import filled
from stream_mer.datasets.findings import Dataset, Findings, RowError
from stream_mer.datasets.places import Places
from stream_mer.datasets.smic import CAMERAS, CLIP_NAME, agree, clip_key
from stream_mer.datasets.tables import ABSENT, Row, find_workbook, frame_number, read_table

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


def read_smic_e(root: Path, frames: Path | None = None, *, camera: str = "hs") -> Dataset:
    """SMIC-E of one camera: long clips and ``SMIC-HS-E_annotation.xlsx``.

    The table's frame numbers count from the recording's start; ``FirstF`` is the number of the clip's first
    frame. Where the file names do not carry those numbers, the frames are counted from the clip's first. A
    clip with several expressions has one row; it becomes a record for each.
    """
    findings, places = Findings(), Places()
    name, word = f"smic-e-{camera}", camera.upper()
    workbooks = (f"SMIC-{word}-E_annotation*.xls*", f"SMIC-{word}-E*.xls*")
    table = find_workbook(root, workbooks, name, findings)
    optional = ("label", "onset2", "offset2", "onset3", "offset3")
    rows = [one for row in read_table(table, E_COLUMNS, optional=optional) for one in _expressions(row)]
    base = frames or _e_folder(root, word, places) or table.parent

    def find(row: Row) -> Found:
        subject, clip = padded(filled(row, "subject"), 2, "s"), filled(row, "clip")
        agree(subject, row.cells.get("label", ""), clip)
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
    named = CLIP_NAME.match(row.cells["clip"])
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


def _e_folder(root: Path, word: str, places: Places) -> Path | None:
    for first in ("SMIC-E_raw image", "SMIC-E_raw_image", "SMIC-E", "."):
        for second in (f"{word}_long", "."):
            for third, last in ((f"SMIC-{word}-E", word), (".", word), (f"SMIC-{word}-E", ".")):
                found = places.descend(root, (first,), (second,), (third,), (last,))
                if found is not None:
                    return found
    return None
