"""MMEW: 300 micro-expressions at 90 frames a second, in either of the two layouts in which it is met."""

from __future__ import annotations

import re
from pathlib import Path

from stream_mer.datasets.annotated import (
    SEVEN,
    Found,
    Scheme,
    frames_base,
    make_records,
    no_folder,
    padded,
)
from stream_mer.datasets.crosschecks import filled, require_person
from stream_mer.datasets.errata import apply_errata
from stream_mer.datasets.findings import Dataset, Findings
from stream_mer.datasets.places import Places
from stream_mer.datasets.tables import Row, find_workbook, read_table

MMEW = Scheme("mmew", 90.0, SEVEN)
WORKBOOKS = ("MMEW_Micro_Exp*.xls*", "MMEW*.xls*")
COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "aus": ("Action Units", "AUs"),
    "label": ("Estimated Emotion", "Emotion"),
}


def read_mmew(root: Path, frames: Path | None = None) -> Dataset:
    """MMEW: ``S03/happiness/S03-01-002/1.jpg`` or ``Micro_Expression/happiness/S03-01-002/1.jpg``.

    Labels stay as annotated; 'others' is what MEB calls repression.
    """
    findings, places = Findings(), Places()
    table = find_workbook(root, WORKBOOKS, "mmew", findings)
    rows = read_table(table, COLUMNS, optional=("aus",))
    folders = (
        "Micro_Expression",
        "Micro_Exp",
        "MMEW_Final/Micro_Expression",
        "MMEW/Micro_Expression",
        "MMEW",
    )
    base = frames_base(root, folders, frames, places)

    def find(row: Row) -> Found:
        subject, clip = padded(filled(row, "subject"), 2, "S"), filled(row, "clip")
        if named := re.match(r"S(\d+)-", clip, re.IGNORECASE):
            require_person(subject, named[1], clip)
        emotion = row.cells["label"] or "."
        for start in (base, root):
            for steps in (((subject, padded(subject, 1, "S")), (emotion, ".")), ((emotion, "."),)):
                folder = places.descend(start, *steps, (clip,)) if clip else None
                if folder is not None:
                    return Found(subject, clip, folder)
        raise no_folder(base, (emotion, clip))

    mended = apply_errata("mmew", rows, table, findings)
    records = make_records(MMEW, mended, table, places, findings, find)
    return Dataset(
        "mmew", root, table, tuple(records), tuple(findings.problems), tuple(findings.corrections), len(rows)
    )
