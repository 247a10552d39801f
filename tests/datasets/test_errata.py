"""Each known mistake of the published annotations: put right where it is, left alone where it is not."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import miniature
import pytest

from stream_mer.datasets.catalogue import load
from stream_mer.datasets.errata import Erratum, apply_errata, read_errata
from stream_mer.datasets.findings import Findings
from stream_mer.datasets.tables import Row

TABLE = Path("coding.xlsx")
TEXT = resources.files("stream_mer.datasets").joinpath("errata.csv").read_text(encoding="utf-8")
NAMES = sorted({one["dataset"] for one in csv.DictReader(TEXT.splitlines())})
CELLS = [
    (name, erratum)
    for name in NAMES
    for erratum in read_errata(name)
    if erratum.when in ("missing", "wrong", "or")
]


def row_with(name: str, erratum: Erratum, **cells: str) -> Row:
    """A row as it must look around an erratum: the others of that row already right."""
    right = {e.column: e.value for e in read_errata(name) if e.row == erratum.row}
    numbers = [int(v) for c, v in right.items() if c in ("onset", "apex", "offset")] or [100]
    base = {"onset": str(min(numbers)), "apex": "", "offset": str(max(numbers)), "aus": "4", "clip": "x"}
    assert erratum.row is not None
    return Row(erratum.row + 2, erratum.row, {**base, **right, **cells}, {})


def workbook_with(name: str, row: Row) -> list[Row]:
    """As many rows as the version of the workbook has that the errata are of, this one among them."""
    count = max((max(e.rows) for e in read_errata(name) if e.rows), default=1)
    plain = {"onset": "5", "apex": "6", "offset": "7", "aus": "4", "clip": "y"}
    rows = [Row(n + 2, n, plain, {}) for n in range(count)]
    return [row if other.index == row.index else other for other in rows]


def mend(name: str, row: Row) -> tuple[Row, Findings, list[str]]:
    """The row after the errata, the findings, and the problems found in that row."""
    findings = Findings()
    mended = apply_errata(name, workbook_with(name, row), TABLE, findings)
    said = [str(problem) for problem in findings.problems if problem.row == row.number]
    return next(one for one in mended if one.index == row.index), findings, said


def test_the_table_is_complete() -> None:
    assert NAMES == ["4dme", "casme", "casme2", "casme3-a", "mmew", "samm", "samm-lv"]
    assert len([c for c in CELLS if c[0] == "casme2"]) == 22  # one offset, 21 apexes
    assert len({e.row for n, e in CELLS if n == "mmew"}) == 16
    assert {e.row for n, e in CELLS if n == "casme3-a"} == {128, 749, 750, 708, 796, 798}
    assert {e.row for n, e in CELLS if n == "samm"} == {56, 125, 132, 133, 15, 18, 41, 64, 154}
    assert all(erratum.source for _, erratum in CELLS)


@pytest.mark.parametrize(
    ("name", "erratum"), CELLS, ids=lambda v: v if isinstance(v, str) else f"{v.row}-{v.column}"
)
def test_erratum(name: str, erratum: Erratum) -> None:
    bad = {"missing": "/", "or": "R12 or R15", "wrong": "0"}[erratum.when]
    row = row_with(name, erratum, **{erratum.column: bad})
    mended, findings, _ = mend(name, row)
    assert mended.cells[erratum.column] == erratum.value
    assert any(f"{erratum.column} {bad} -> {erratum.value}" in said for said in findings.corrections)


@pytest.mark.parametrize(
    ("name", "erratum"), CELLS, ids=lambda v: v if isinstance(v, str) else f"{v.row}-{v.column}"
)
def test_a_corrected_workbook_is_left_alone_silently(name: str, erratum: Erratum) -> None:
    row = row_with(name, erratum)
    mended, findings, said = mend(name, row)
    assert mended == row
    assert said == []
    assert not any(f"row {row.number}:" in line for line in findings.corrections)


def test_another_version_of_the_workbook_is_left_alone_and_said() -> None:
    row = Row(71, 56, {"onset": "5700", "apex": "5710", "offset": "1", "aus": "4"}, {})
    findings = Findings()
    assert apply_errata("samm", [row], TABLE, findings) == [row]
    assert "9 errata not applied: they are of a version with 159 rows, this one has 1" in str(
        findings.problems[0]
    )


def test_a_row_more_or_less_shifts_what_stands_below() -> None:
    # MEB's CASME II has 256 rows, row 222 among them; without it, row 237 is another clip.
    cells = {"onset": "90", "apex": "/", "offset": "200", "aus": "4"}
    rows = [Row(n + 2, n, cells, {}) for n in range(255)]
    findings = Findings()
    mended = apply_errata("casme2", rows, TABLE, findings)
    assert mended[237].cells["apex"] == "/"
    assert mended[203].cells["apex"] == "103"
    assert "3 errata not applied: they are of a version with 256 rows, this one has 255" in str(
        findings.problems[0]
    )
    assert (
        apply_errata("casme2", [*rows, Row(257, 255, cells, {})], TABLE, Findings())[237].cells["apex"]
        == "153"
    )


def test_a_row_that_the_correction_does_not_fit_is_left_alone_and_said() -> None:
    # SAMM's row 56 ends at 5739; here another clip stands there, thousands of frames away.
    row = Row(71, 56, {"onset": "100", "apex": "120", "offset": "150", "aus": "4"}, {})
    mended, _, said = mend("samm", row)
    assert mended == row
    assert "row 71: offset 150 -> 5739" in said[0]
    assert "does not fit this row and was not applied" in said[0]


def test_minus_one_is_no_apex(tmp_path: Path) -> None:
    row = Row(140, 125, {"onset": "1050", "apex": "-1", "offset": "1150", "aus": "4"}, {})
    assert mend("samm", row)[0].cells["apex"] == "1105"
    row = (6, "006_1_2", 1, 5562, -1, 5632, 71, "Micro - 1/2", "AU4B", "Anger", 3, None)
    assert [r.apex for r in load("samm", miniature.samm(tmp_path, [row])).whole()] == [None]


def test_a_real_apex_is_not_replaced_by_an_estimate() -> None:
    row = Row(31, 29, {"onset": "250", "apex": "270", "offset": "300"}, {})
    mended, _, said = mend("casme2", row)
    assert mended == row
    assert len(said) == 1


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("casme2", {"onset": "65", "apex": "110", "offset": "110"}),
        *[("samm-lv", {"clip": clip}) for clip in ("012_4_1", "020_6_5", "036_7_4")],
    ],
)
def test_rows_that_others_leave_out_are_named(name: str, cells: dict[str, str]) -> None:
    mended, findings, said = mend(name, row := Row(9, 0, cells, {}))
    assert mended == row
    assert len(said) == 1
    assert "is left out by" in said[0]
    assert not any(problem.left_out for problem in findings.problems)


def test_the_exchanged_rows_of_4dme(tmp_path: Path) -> None:
    plain = ("01", "01_{}", 1, "Others", 10, 12, 20, "AU1", 0, 0, 0, 0, 0, 1, 1, 1, 0)
    rows = [(*plain[:1], f"01_{n}", *plain[2:]) for n in range(267)]
    negative = ("AU4", 0, 0, 1, 0, 0, 0, 1, 0, 1)
    surprise = ("AU1+AU2", 0, 0, 0, 1, 0, 0, 1, 1, 0)
    rows[144] = ("01", "01_144", 1, "Negative", 10, 12, 20, *surprise)
    rows[145] = ("01", "01_145", 1, "Surprise", 10, 12, 20, *negative)
    dataset = load("4dme", miniature.fourdme(tmp_path / "swapped", rows))
    assert [(r.label, r.action_units) for r in dataset.records[144:146]] == [
        ("negative", ("4",)),
        ("surprise", ("1", "2")),
    ]
    assert len(dataset.corrections) == 1
    rows[144], rows[145] = (*rows[144][:7], *negative), (*rows[145][:7], *surprise)
    mended = load("4dme", miniature.fourdme(tmp_path / "mended", rows))
    assert [r.label for r in mended.records[144:146]] == ["negative", "surprise"]
    assert mended.corrections == ()


def test_errata_reach_the_records(tmp_path: Path) -> None:
    plain = (None, 46, 59, 86, None, "12", "happiness")
    rows = [(1, f"EP{n:02d}", *plain) for n in range(255)]
    rows[60] = (1, "EP60", None, 60, "/", 8, None, "12", "happiness")
    miniature.workbook(tmp_path / "CASME2-coding-20140508.xlsx", S=[miniature.CASME2_HEADER, *rows])
    for row in rows:
        miniature.frames(tmp_path / "CASME2-RAW" / "sub01" / row[1], (46, 59, 60, 78, 86, 91))
    last = load("casme2", tmp_path).whole()[60]
    assert (last.onset, last.apex, last.offset) == (60, 78, 91)
