"""CAS(ME)³ at 30 frames a second: part A (films in thirteen pieces a person) and part C (mock crimes)."""

from __future__ import annotations

from pathlib import Path

from stream_mer.datasets.annotated import SEVEN, Found, Scheme, frames_base, make_records, no_folder, padded
from stream_mer.datasets.errata import apply_errata
from stream_mer.datasets.findings import Dataset, Findings
from stream_mer.datasets.places import Places
from stream_mer.datasets.records import ClipRecord
from stream_mer.datasets.tables import Row, find_workbook, read_table

PART_A = Scheme("casme3-a", 30.0, SEVEN)
PART_C = Scheme("casme3-c", 30.0, SEVEN)
A_WORKBOOKS = ("cas(me)3_part_A_ME_label*.xls*", "cas(me)3_part_A*.xls*")
C_WORKBOOKS = ("CAS(ME)3_part_C_ME*.xls*", "CAS(ME)3_part_C*.xls*")
A_COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "aus": ("AU", "AUs"),
    "label": ("emotion",),
    "kind": ("Expression type", "Type"),
}
FILM = "a"
"""The folder of a person's one film in part C."""
C_COLUMNS = {
    "subject": ("sub", "Subject"),
    "clip": ("count", "Filename"),
    "onset": ("onset",),
    "offset": ("offset",),
    "aus": ("au", "AU"),
}


def read_casme3_a(root: Path, frames: Path | None = None) -> Dataset:
    """Part A: ``part_A/spNO.1/a/color/12.jpg``; several expressions a folder; numbers from 0 or 1.

    Reads ``cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`` or the full ``CAS(ME)3_part_A_v2.xls``, whose column
    "Expression type" tells macro from micro and which names no emotions.
    """
    findings, places = Findings(), Places()
    table = find_workbook(root, A_WORKBOOKS, "casme3-a", findings)
    rows = read_table(table, A_COLUMNS, optional=("aus", "label", "kind"))
    base = frames_base(root, ("part_A", "part_A/data", "data/part_A"), frames, places)

    def find(row: Row) -> Found:
        subject, clip = padded(row.cells["subject"], 1, "spNO."), row.cells["clip"]
        names = (subject, row.cells["subject"])
        folder = places.descend(base, names, (clip,), ("color", "colour", ".")) if clip else None
        if folder is None:
            raise no_folder(base, (subject, clip, "color"))
        return Found(subject, clip, folder)

    mended = apply_errata("casme3-a", rows, table, findings)
    records = make_records(PART_A, mended, table, places, findings, find)
    return _dataset("casme3-a", root, table, tuple(records), findings, len(rows))


def read_casme3_c(root: Path, frames: Path | None = None) -> Dataset:
    """Part C: ``part_C/01/a/color/12.jpg`` and ``CAS(ME)3_part_C_ME.xlsx``; no apex, no emotion.

    Each person has one film, ``a``; ``count`` numbers the expressions in it. A folder for each of them
    (``part_C/01/1/color``) serves as well. Action units are parted by ASCII and by full-width commas.
    """
    findings, places = Findings(), Places()
    table = find_workbook(root, C_WORKBOOKS, "casme3-c", findings)
    rows = read_table(table, C_COLUMNS, optional=("aus",))
    base = frames_base(root, ("part_C/part_C", "part_C", "data/part_C"), frames, places)

    def find(row: Row) -> Found:
        subject, count = padded(row.cells["subject"], 2), row.cells["clip"]
        people = (subject, padded(subject, 1), padded(subject, 1, "spNO."), row.cells["subject"])
        folder = places.descend(base, people, (count, FILM, "."), ("color", "colour"))
        folder = folder or places.descend(base, people, (count, FILM, "."))
        if folder is None:
            raise no_folder(base, (subject, FILM, "color"))
        return Found(subject, count, folder)

    mended = apply_errata("casme3-c", rows, table, findings)
    records = make_records(PART_C, mended, table, places, findings, find)
    return _dataset("casme3-c", root, table, tuple(records), findings, len(rows))


def _dataset(
    name: str, root: Path, table: Path, records: tuple[ClipRecord, ...], findings: Findings, rows: int
) -> Dataset:
    return Dataset(name, root, table, records, tuple(findings.problems), tuple(findings.corrections), rows)
