"""CAS(ME)²: long videos at 30 frames a second with micro- and macro-expressions, and their naming rules."""

from __future__ import annotations

import re
from pathlib import Path

from stream_mer.datasets.annotated import Found, Scheme, frames_base, make_records, no_folder
from stream_mer.datasets.errata import apply_errata
from stream_mer.datasets.findings import Dataset, Findings, RowError
from stream_mer.datasets.places import Places
from stream_mer.datasets.sheets import read_sheets
from stream_mer.datasets.tables import Row, find_workbook, read_headerless
from stream_mer.errors import ConfigError

CASME_SQ = Scheme("casme-sq", 30.0, frozenset({"positive", "negative", "surprise", "others"}))
WORKBOOKS = ("CAS(ME)^2code_final*.xls*", "*code_final*.xls*")
SHEETS = ("CASFEcode_final", "CASMEcode_final")
"""How the sheet of annotations is called in the versions of the workbook."""
SUBJECTS, VIDEOS = "naming rule1", "naming rule2"
COLUMNS = ("subject", "video", "onset", "apex", "offset", "aus", "label", "kind", "self_report")
FRAMES = (
    *("CASME_sq/rawpic", "CAS(ME)^2/rawpic", "CAS(ME)2/rawpic", "rawpic"),
    *("CASME_sq/cropped", "CAS(ME)^2/cropped", "CAS(ME)2/cropped", "cropped"),
    *("CASME_sq/selectedpic", "selectedpic"),
)


def read_casme_sq(root: Path, frames: Path | None = None) -> Dataset:
    """CAS(ME)²: ``CASME_sq/rawpic/s15/15_0401girlcrashing/img_N.jpg`` and ``CAS(ME)^2code_final.xlsx``.

    The sheet has no header. Subject 1 is the folder ``s15`` (or ``15``) by the sheet "naming rule1"; the
    video ``anger1_1`` is the first expression in the film ``anger1``, which "naming rule2" calls 0401.
    """
    findings, places = Findings(), Places()
    table = find_workbook(root, WORKBOOKS, "casme-sq", findings)
    rows = [_named(row) for row in read_headerless(table, COLUMNS, SHEETS) if row.cells["subject"].isdigit()]
    if not rows:
        raise ConfigError(
            f"{table}: the sheet {SHEETS[0]!r} has no annotations\ntake the workbook as it was published"
        )
    people, films = naming_rules(table)
    base = frames_base(root, FRAMES, frames, places)

    def find(row: Row) -> Found:
        number, film = int(row.cells["subject"]), row.cells["film"]
        if number not in people:
            raise RowError(f"{SUBJECTS!r} does not name subject {number}", "complete that sheet")
        if film.lower() not in films:
            raise RowError(f"{VIDEOS!r} does not name the film {film!r}", "complete that sheet")
        person, code = people[number], films[film.lower()]
        inside = places.folders(places.descend(base, (person, person.lstrip("s"))) or base / person)
        for folder in inside:
            if re.match(rf"^\d+_{code}(?!\d)", folder.name):
                return Found(person, folder.name, folder)
        raise no_folder(base, (person, f"{person.lstrip('s')}_{code}{film}"))

    mended = apply_errata("casme-sq", rows, table, findings)
    records = make_records(CASME_SQ, mended, table, places, findings, find)
    return Dataset(
        "casme-sq",
        root,
        table,
        tuple(records),
        tuple(findings.problems),
        tuple(findings.corrections),
        len(rows),
    )


def _named(row: Row) -> Row:
    """The row with the film's name, ``anger1`` of ``anger1_1``."""
    video = row.cells["video"]
    return row.with_cells({"film": re.sub(r"_\d+$", "", video), "clip": video})


def naming_rules(table: Path) -> tuple[dict[int, str], dict[str, str]]:
    """The two sheets of names: subject number -> ``s15``, film -> its code as four digits.

    Leading zeros that a spreadsheet has dropped (401) are put back; the columns may come in any order. The
    sheet of subjects holds the folder's own number, too (15, s15, 1): that is not the subject.

    Raises:
        ConfigError: a sheet is missing or says nothing.
    """
    sheets = {re.sub(r"\W+", "", sheet.name).lower(): sheet for sheet in read_sheets(table)}
    people: dict[int, str] = {}
    films: dict[str, str] = {}
    for name in (SUBJECTS, VIDEOS):
        if re.sub(r"\W+", "", name) not in sheets:
            raise ConfigError(f"{table} has no sheet {name!r}\ntake the workbook as it was published")
    for cells in sheets[re.sub(r"\W+", "", SUBJECTS)].rows:
        folder = next((c.lower() for c in cells if re.fullmatch(r"s\d+", c, re.IGNORECASE)), None)
        numbers = [int(c) for c in cells if c.isdigit()]
        if folder and numbers:
            others = [number for number in numbers if number != int(folder[1:])]
            people[(others or numbers)[0]] = folder
    for cells in sheets[re.sub(r"\W+", "", VIDEOS)].rows:
        code = next((c for c in cells if re.fullmatch(r"0?\d{3}", c)), None)
        for name in (c for c in cells if re.fullmatch(r"[a-z ]+\d+", c, re.IGNORECASE)):
            if code:
                films[name.lower()] = code.zfill(4)
    if not people or not films:
        empty = SUBJECTS if not people else VIDEOS
        raise ConfigError(
            f"{table}: the sheet {empty!r} names nothing\ntake the workbook as it was published"
        )
    return people, films
