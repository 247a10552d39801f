"""CASME and CASME II: 60 and 200 frames a second, one folder a clip, one workbook."""

from __future__ import annotations

from pathlib import Path

from stream_mer.datasets.annotated import (
    CASME2_LABELS,
    Found,
    Scheme,
    frames_base,
    make_records,
    no_folder,
    padded,
)
from stream_mer.datasets.crosschecks import filled
from stream_mer.datasets.errata import apply_errata
from stream_mer.datasets.findings import Dataset, Findings
from stream_mer.datasets.places import Places
from stream_mer.datasets.tables import Row, find_workbook, read_table

CASME2 = Scheme("casme2", 200.0, CASME2_LABELS, first=1)
CASME2_WORKBOOKS = ("CASME2-coding*.xls*", "CASME2_label*.xls*", "CASME2*.xls*")
CASME2_FRAMES = (
    *("CASME2-RAW", "CASME2_RAW", "CASME2_RAW_selected", "CASME2-RAW-Localized"),
    *("Cropped", "Cropped-updated/Cropped", "Cropped-updated", "Cropped_original"),
)
COLUMNS = {
    "subject": ("Subject",),
    "clip": ("Filename",),
    "onset": ("OnsetFrame", "Onset Frame", "OnsetF"),
    "apex": ("ApexFrame", "Apex Frame", "ApexF", "ApexF1"),
    "offset": ("OffsetFrame", "Offset Frame", "OffsetF"),
    "aus": ("Action Units", "AU", "AUs"),
    "label": ("Estimated Emotion", "Emotion"),
}

CASME = Scheme("casme", 60.0, CASME2_LABELS | {"contempt", "tense"})
CASME_WORKBOOKS = ("CASME-coding*.xls*", "CASME_label*.xls*", "CASME.xls*", "Section A*.xls*")
CASME_FRAMES = ("CASME_raw_selected", "CASME-RAW", "Cropped")


def read_casme2(root: Path, frames: Path | None = None) -> Dataset:
    """CASME II: ``<frames>/subXX/EPyy_zz[f]/imgN.jpg`` and ``CASME2-coding-*.xlsx``.

    Source: the layout as MEB and MEAN read it; 200 fps by its paper (Yan et al., PLoS ONE 9(1), 2014).
    """
    return _read(CASME2, CASME2_WORKBOOKS, CASME2_FRAMES, root, frames)


def read_casme(root: Path, frames: Path | None = None) -> Dataset:
    """CASME: ``<frames>/subXX/EPyy_zz/*N.jpg`` and its workbook; one of the six sets of CD6ME.

    Source: the layout as MEB reads it; 60 fps by its paper (Yan et al., FG 2013).
    """
    return _read(CASME, CASME_WORKBOOKS, CASME_FRAMES, root, frames)


def _read(
    scheme: Scheme, workbooks: tuple[str, ...], folders: tuple[str, ...], root: Path, frames: Path | None
) -> Dataset:
    findings, places = Findings(), Places()
    table = find_workbook(root, workbooks, scheme.name, findings)
    rows = read_table(table, COLUMNS, optional=("aus", "apex"))
    mended = apply_errata(scheme.name, rows, table, findings)
    base = frames_base(table.parent, folders, frames, places)
    if frames is None and base == table.parent:
        base = frames_base(root, folders, frames, places)

    def find(row: Row) -> Found:
        subject, clip = padded(filled(row, "subject"), 2, "sub"), filled(row, "clip")
        names = (clip, clip.removesuffix("f"), f"{clip}f")
        folder = places.descend(base, (subject, padded(subject, 1, "sub"), padded(subject, 2)), names)
        if folder is None:
            raise no_folder(base, (subject, clip))
        return Found(subject, clip, folder)

    records = make_records(scheme, mended, table, places, findings, find)
    return Dataset(
        scheme.name,
        root,
        table,
        tuple(records),
        tuple(findings.problems),
        tuple(findings.corrections),
        len(rows),
    )
