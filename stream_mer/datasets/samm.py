"""SAMM and SAMM Long Videos: 200 grey frames a second, numbered on through the long video."""

from __future__ import annotations

import re
from pathlib import Path

from stream_mer.datasets.annotated import (
    SAMM_LABELS,
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
from stream_mer.datasets.records import ClipRecord
from stream_mer.datasets.tables import Row, find_workbook, read_table
from stream_mer.errors import ConfigError

SAMM = Scheme("samm", 200.0, SAMM_LABELS)
SAMM_LV = Scheme("samm-lv", 200.0, SAMM_LABELS)
WORKBOOKS = ("SAMM*Micro_FACS_Codes*.xls*",)
LONG_WORKBOOKS = ("SAMM_LongVideos_V*_Release*.xls*", "SAMM_LongVideos*.xls*", "SAMM*Long*.xls*")
COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("Onset Frame", "Onset"),
    "apex": ("Apex Frame", "Apex"),
    "offset": ("Offset Frame", "Offset"),
    "kind": ("Micro", "Type"),
    "aus": ("Action Units",),
    "label": ("Estimated Emotion", "Emotion"),
}
LONG_INTERVAL = 800
"""Longer annotations are dropped by LGSNet; here they are kept and reported."""


def read_samm(root: Path, frames: Path | None = None) -> Dataset:
    """SAMM: ``SAMM/006/006_1_2/006_05562.jpg`` and ``SAMM_*Micro_FACS_Codes_v2.xlsx`` (header on row 14)."""
    findings, places = Findings(), Places()
    table = find_workbook(root, WORKBOOKS, "samm", findings)
    rows = read_table(table, COLUMNS, optional=("aus",))
    mended = apply_errata("samm", rows, table, findings)
    base = frames_base(root, ("SAMM", "SAMM_CROP"), frames, places)

    def find(row: Row) -> Found:
        subject, clip = padded(filled(row, "subject"), 3), filled(row, "clip")
        if named := re.match(r"(\d+)_", clip):
            require_person(subject, named[1], clip)
        folder = places.descend(base, (subject, row.cells["subject"]), (clip,))
        if folder is None:
            raise no_folder(base, (subject, clip))
        return Found(subject, clip, folder)

    records = make_records(SAMM, mended, table, places, findings, find)
    return _dataset("samm", root, table, records, findings, len(rows))


def read_samm_lv(root: Path, frames: Path | None = None) -> Dataset:
    """SAMM Long Videos: ``SAMM_longvideos/006_1/006_1_0001.jpg`` and ``SAMM_LongVideos_V*_Release.xlsx``.

    The workbook names no emotions; they are taken from SAMM's own, by file name, where that lies in the
    root, too.
    """
    findings, places = Findings(), Places()
    table = find_workbook(root, LONG_WORKBOOKS, "samm-lv", findings)
    rows = read_table(table, COLUMNS, optional=("aus", "label"))
    emotions = _emotions(root)
    if not emotions:
        findings.warn(
            root,
            None,
            "the emotions are not there: the workbook of SAMM itself is missing",
            f"put {WORKBOOKS[0]} beside {table.name} to have them",
        )
    mended = [
        _long_row(row, emotions, table, findings) for row in apply_errata("samm-lv", rows, table, findings)
    ]
    base = frames_base(root, ("SAMM_longvideos", "SAMM_LongVideos"), frames, places)

    def find(row: Row) -> Found:
        clip = row.cells["clip"]
        video = re.sub(r"_\d+$", "", clip) if clip.count("_") > 1 else clip
        folder = places.descend(base, (video,))
        if folder is None:
            raise no_folder(base, (video,))
        named = video.split("_")[0]
        if row.cells["subject"] and named.isdigit():
            require_person(row.cells["subject"], named, video)
        return Found(padded(row.cells["subject"] or named, 3), video, folder)

    records = make_records(SAMM_LV, mended, table, places, findings, find)
    return _dataset("samm-lv", root, table, records, findings, len(rows))


def _long_row(row: Row, emotions: dict[str, str], table: Path, findings: Findings) -> Row:
    """A long video's row with its emotion; an onset of 0 becomes the first frame, there is no frame 0."""
    changes = {}
    micro = row.cells.get("kind", "").lower().startswith("micro")
    if micro and row.cells["clip"] in emotions:
        changes["label"] = emotions[row.cells["clip"]]
    if row.cells["onset"] == "0":
        changes["onset"] = "1"
        findings.corrections.append(f"row {row.number}: onset 0 taken as the first frame")
    span = [row.cells[name] for name in ("onset", "offset")]
    if all(text.isdigit() for text in span) and int(span[1]) - int(span[0]) > LONG_INTERVAL:
        findings.warn(
            table,
            row.number,
            f"frames {span[0]}..{span[1]} are more than {LONG_INTERVAL}",
            "it is kept; LGSNet leaves such rows out",
        )
    return row.with_cells(changes)


def _emotions(root: Path) -> dict[str, str]:
    """Emotion by file name, from the workbook of SAMM if it is in the root; a micro-expression's only."""
    try:
        table = find_workbook(root, WORKBOOKS, "samm")
    except ConfigError:
        return {}
    return {row.cells["clip"]: row.cells["label"] for row in read_table(table, COLUMNS, optional=("aus",))}


def _dataset(
    name: str, root: Path, table: Path, records: list[ClipRecord], findings: Findings, rows: int
) -> Dataset:
    return Dataset(
        name, root, table, tuple(records), tuple(findings.problems), tuple(findings.corrections), rows
    )
