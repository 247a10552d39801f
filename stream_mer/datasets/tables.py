"""Turns a workbook's sheet into rows with named cells, whatever stands above and between them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stream_mer.datasets.findings import Findings, RowError
from stream_mer.datasets.sheets import Sheet, read_sheets
from stream_mer.errors import ConfigError

HEADER_WITHIN = 60
"""A header is looked for so many rows from the top; SAMM's is on row 14."""
HINT_LEVELS = 3
"""So many folders above a wrong root are looked at for a hint."""
ABSENT = ("", "/", "-", "\\", "-1", "n/a", "na", "nan", "none")
"""What annotators write where there is no number."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row under the header.

    ``number`` is the spreadsheet's own row number; ``index`` counts from 0 at the row after the header,
    as published errata do. ``cells`` are by the loader's names for the columns; ``rest`` are all cells by
    the sheet's own column names.
    """

    number: int
    index: int
    cells: Mapping[str, str]
    rest: Mapping[str, str]

    def with_cells(self, changes: Mapping[str, str]) -> Row:
        """The same row with some cells changed."""
        return replace(self, cells={**self.cells, **changes})


def read_table(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    *,
    optional: Sequence[str] = (),
    sheet: str | None = None,
) -> list[Row]:
    """The rows below the header that has all ``columns``; blank rows and remarks are passed over.

    A remark is a row whose every required cell but at most one is empty: preface, footers, notes.

    Args:
        path: the workbook.
        columns: the loader's name of each column -> how the sheet may call it (case, blanks and
            punctuation do not matter).
        optional: which of them may be absent.
        sheet: name of the sheet; by default the first that has such a header.

    Raises:
        ConfigError: unreadable, or no such header; the message names the columns missed.
    """
    best: tuple[int, list[str]] = (-1, [])
    sheets = read_sheets(path)
    for one in sheets:
        if sheet is not None and _plain(one.name) != _plain(sheet):
            continue
        for top, names in enumerate(one.rows[:HEADER_WITHIN]):
            places = _places(names, columns)
            missing = [columns[name][0] for name in columns if name not in places and name not in optional]
            if not missing:
                return _rows(one, top, places, [name for name in columns if name not in optional])
            if len(places) > best[0]:
                best = (len(places), missing)
    if sheet is not None and not any(_plain(one.name) == _plain(sheet) for one in sheets):
        there = ", ".join(repr(one.name) for one in sheets)
        raise ConfigError(
            f"{path} has no sheet {sheet!r}, only {there}\ntake the workbook as it was published"
        )
    raise ConfigError(
        f"{path}: no row has the columns {', '.join(c[0] for c in columns.values())}"
        + (f" (nearest: no {', '.join(best[1])})" if best[0] > 0 else "")
        + "\ntake the workbook as it was published, or name the columns so"
    )


def read_headerless(path: Path, columns: Sequence[str], sheets: Sequence[str]) -> list[Row]:
    """The rows of a sheet without a header, cells named by position.

    Args:
        path: the workbook.
        columns: names of the cells, in order.
        sheets: how the sheet may be called.

    Raises:
        ConfigError: unreadable, or no such sheet.
    """
    for one in read_sheets(path):
        if _plain(one.name) in map(_plain, sheets):
            return _rows(one, -1, {name: at for at, name in enumerate(columns)}, columns[:2])
    raise ConfigError(f"{path} has no sheet {sheets[0]!r}\ntake the workbook as it was published")


def _rows(sheet: Sheet, top: int, places: Mapping[str, int], required: Sequence[str]) -> list[Row]:
    names = sheet.rows[top] if top >= 0 else ()
    rows = []
    for at in range(top + 1, len(sheet.rows)):
        raw = sheet.rows[at]
        cells = {name: raw[place] if place < len(raw) else "" for name, place in places.items()}
        if sum(bool(cells[name]) for name in required) <= 1:
            continue
        rest = {name: value for name, value in zip(names, raw, strict=False) if name}
        rows.append(Row(at + 1, at - top - 1, cells, rest))
    return rows


def _places(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    at = {_plain(name): place for place, name in reversed(list(enumerate(names))) if name}
    found = {}
    for name, aliases in columns.items():
        place = next((at[_plain(alias)] for alias in aliases if _plain(alias) in at), None)
        if place is not None:
            found[name] = place
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def frame_number(row: Row, name: str) -> int | None:
    """A cell as a frame number; None where there is none ("/", empty).

    Raises:
        RowError: something else stands there.
    """
    text = row.cells.get(name, "")
    if text.lower() in ABSENT:
        return None
    try:
        value = float(text)
    except ValueError:
        raise RowError(
            f"{name} is {text!r}, not a frame number", "write a whole number, or / for none"
        ) from None
    if value != value or value < 0 or value in (float("inf"),) or value != int(value):
        raise RowError(f"{name} is {text!r}, not a frame number", "write a whole number of 0 or more")
    return int(value)


def require_frame(row: Row, name: str) -> int:
    """A cell that must be a frame number.

    Raises:
        RowError: it is none.
    """
    value = frame_number(row, name)
    if value is None:
        raise RowError(f"{name} is empty", "write the frame's number")
    return value


def find_workbook(root: Path, patterns: Sequence[str], name: str, findings: Findings | None = None) -> Path:
    """The workbook of a dataset in its root or one folder below; of several the last by name, and said so.

    Raises:
        ConfigError: the root is no folder, or there is none; if one lies a level above or further below,
            the message says so.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise ConfigError(f"the root of {name}, {root}, {what}\ngive the folder that holds {patterns[0]}")
    for folder in (root, *_folders(root)):
        found = _matching(folder, patterns)
        if found:
            if findings is not None and len(found) > 1:
                findings.warn(
                    found[-1],
                    None,
                    f"read, but there are others: {', '.join(path.name for path in found[:-1])}",
                    "move away those that you do not mean; the last by name is read",
                )
            return found[-1]
    above = root.resolve().parents[:HINT_LEVELS]
    for folder in (*above, *(deep for one in _folders(root) for deep in _folders(one))):
        if _matching(folder, patterns):
            right = folder if folder in above else folder.parent
            raise ConfigError(
                f"no workbook of {name} in {root}, but there is {_matching(folder, patterns)[-1]}\n"
                f"give --root {right}"
            )
    raise ConfigError(
        f"no workbook of {name} in {root}\n"
        f"it is called {' or '.join(patterns)}; put it there, with the frames beside it"
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(("~$", ".")))
    for pattern in patterns:
        wanted = re.compile(fnmatch.translate(pattern.lower()))
        found = [path for path in files if wanted.match(path.name.lower())]
        if found:
            return found
    return []
