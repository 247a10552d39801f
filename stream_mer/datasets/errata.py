"""Known mistakes in the published annotations, as a table (``errata.csv``), put right while reading.

Row numbers belong to one version of a workbook, known by how many rows it has. In another version, and
where a correction does not fit what the row says, nothing is changed, and that is reported.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from stream_mer.datasets.findings import Findings
from stream_mer.datasets.tables import ABSENT, Row

LONGEST = 1000
"""A correction that makes an expression longer than this many frames belongs to another row."""


@dataclass(frozen=True, slots=True)
class Erratum:
    """One cell to correct.

    ``rows``: how many a workbook of the version meant has (any, if empty). ``row`` counts from 0 under
    the header; for ``flag`` it is None and ``value`` identifies the row.
    ``when``: ``missing`` (the cell is empty or "/", or no number between onset and offset), ``or`` (its text
    offers an alternative), ``wrong`` (the cell is known to be wrong), ``swap`` (cells exchanged with row
    ``value``), ``flag`` (others leave it out: say so).
    """

    rows: tuple[int, ...]
    row: int | None
    column: str
    value: str
    when: str
    source: str


def read_errata(name: str) -> list[Erratum]:
    """The errata of a dataset, as shipped with the package."""
    text = resources.files("stream_mer.datasets").joinpath("errata.csv").read_text(encoding="utf-8")
    return [
        Erratum(
            tuple(int(count) for count in one["rows"].split("|") if count),
            int(one["row"]) if one["row"] else None,
            one["column"],
            one["value"],
            one["when"],
            one["source"],
        )
        for one in csv.DictReader(text.splitlines())
        if one["dataset"] == name
    ]


def apply_errata(name: str, rows: Sequence[Row], table: Path, findings: Findings) -> list[Row]:
    """The rows with the dataset's errata applied; each one is reported, applied or not."""
    known = read_errata(name)
    errata = [erratum for erratum in known if not erratum.rows or len(rows) in erratum.rows]
    others = [erratum for erratum in known if erratum not in errata]
    if others:
        versions = sorted({count for erratum in others for count in erratum.rows})
        findings.warn(
            table,
            None,
            f"{len(others)} errata not applied: they are of a version with "
            f"{' or '.join(map(str, versions))} rows, this one has {len(rows)}",
            "take the published workbook to have them, or correct yours by hand",
        )
    by_row: dict[int, list[Erratum]] = {}
    for erratum in errata:
        if erratum.row is not None and erratum.when != "swap":
            by_row.setdefault(erratum.row, []).append(erratum)
    mended = [_mended(row, by_row.get(row.index, ()), table, findings) for row in rows]
    for erratum in errata:
        if erratum.when == "swap" and erratum.row is not None:
            mended = _swapped(mended, erratum, findings)
        if erratum.when == "flag":
            for row in mended:
                if _flagged(row, erratum):
                    what = f"{erratum.column} {erratum.value} is left out by {erratum.source}"
                    findings.warn(
                        table, row.number, what, "it is kept here; leave it out to compare with them"
                    )
    return mended


def _mended(row: Row, errata: Sequence[Erratum], table: Path, findings: Findings) -> Row:
    changes = {e.column: e.value for e in errata if _applies(e, row)}
    if changes and not _in_order({**row.cells, **changes}):
        changes = {}
    for erratum in errata:
        before = row.cells.get(erratum.column, "")
        if before == erratum.value:
            continue
        where = (
            f"row {row.number}: {erratum.column} {before or 'empty'} -> {erratum.value} ({erratum.source})"
        )
        if erratum.column in changes:
            findings.corrections.append(where)
        else:
            findings.warn(
                table,
                row.number,
                f"the erratum {where} does not fit this row and was not applied",
                "it was made for another version of the workbook; nothing to do if the row is right",
            )
    return row.with_cells(changes)


def _applies(erratum: Erratum, row: Row) -> bool:
    before = row.cells.get(erratum.column, "")
    if before == erratum.value:
        return False
    if erratum.when == "missing":
        return before.lower() in ABSENT or not _in_order(row.cells)
    if erratum.when == "or":
        return " or " in f" {before.lower()} "
    return erratum.when == "wrong"


def _in_order(cells: Mapping[str, str]) -> bool:
    """Whether onset, apex and offset can be right; what is no number is not judged."""
    known = [int(float(v)) for n in ("onset", "apex", "offset") if (v := cells.get(n, "")) and _is_number(v)]
    return known == sorted(known) and (not known or known[-1] - known[0] <= LONGEST)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _swapped(rows: Sequence[Row], erratum: Erratum, findings: Findings) -> list[Row]:
    """Exchange ``column`` (names joined by +) of two rows, if they fit their ``label`` better then."""
    one = next((row for row in rows if row.index == erratum.row), None)
    two = next((row for row in rows if row.index == int(erratum.value)), None)
    if one is None or two is None:
        return list(rows)
    names = erratum.column.split("+")

    def fits(row: Row, cells: Mapping[str, str]) -> bool:
        return cells.get(row.cells.get("label", "").lower(), "") in ("1", "True", "true")

    if fits(one, one.cells) and fits(two, two.cells):
        return list(rows)
    first = one.with_cells({name: two.cells[name] for name in names if name in two.cells})
    second = two.with_cells({name: one.cells[name] for name in names if name in one.cells})
    findings.corrections.append(
        f"rows {one.number} and {two.number}: action units and classes exchanged ({erratum.source})"
    )
    return [first if row is one else second if row is two else row for row in rows]


def _flagged(row: Row, erratum: Erratum) -> bool:
    if erratum.column == "frames":
        return "-".join(row.cells.get(name, "") for name in ("onset", "apex", "offset")) == erratum.value
    return row.cells.get(erratum.column, "") == erratum.value
