"""Anyone's own clips: a folder with ``clips.csv`` in it, one annotated expression a row.

The table has the columns ``subject, clip, onset, apex, offset, label, AUs, fps`` in any order; ``apex``
and ``AUs`` may be empty. ``clip`` names a video file or a folder of frames, relative to the table. Frame
numbers are those in the names of the frames (their last number), or for a video file counted from 0.
A clip may have several rows. Commas, semicolons and tabs all separate.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from stream_mer.datasets.crosschecks import alike
from stream_mer.datasets.findings import Dataset, Findings, RowError
from stream_mer.datasets.records import ClipRecord, frame_files, parse_action_units
from stream_mer.errors import ConfigError

TABLE = "clips.csv"
COLUMNS = ("subject", "clip", "onset", "apex", "offset", "label", "aus", "fps")
OPTIONAL = ("apex", "aus")
_HEADER = "subject,clip,onset,apex,offset,label,AUs,fps"


def read_folder(root: Path | str) -> list[ClipRecord]:
    """The records of a folder, in the order of its table.

    Args:
        root: the folder that holds ``clips.csv``.

    Raises:
        ConfigError: no table, a column missing, or a row that cannot be right. The message names the
            file, the row (the header is row 1), what is wrong and how to mend it; when there are
            more such rows, how many.
    """
    dataset = read_own(Path(root))
    problems = dataset.left_out
    if problems:
        count = len(problems) - 1
        more = f"\n{count} more row{' has' if count == 1 else 's have'} problems" if count else ""
        raise ConfigError(f"{problems[0]}{more}")
    return list(dataset.records)


def read_own(root: Path, frames: Path | None = None) -> Dataset:
    """Like ``read_folder``, but rows that cannot be right are listed instead of raised.

    Args:
        root: the folder that holds ``clips.csv``.
        frames: the folder the clips' paths are relative to; by default the same.

    Raises:
        ConfigError: no table, a column missing, or no row at all.
    """
    table = root / TABLE
    listed = cache(frame_files)  # a long clip with a hundred rows is listed once
    findings = Findings()
    records: list[ClipRecord] = []
    seen: dict[tuple[str, str, int], int] = {}
    count = 0
    for row, cells in _rows(table):
        count += 1
        try:
            made = replace(_record(frames or root, cells, listed), row=row)
        except RowError as error:
            findings.leave_out(table, row, error.what, error.mend)
            continue
        except ConfigError as error:
            what, _, mend = str(error).partition("\n")
            findings.leave_out(table, row, what, mend)
            continue
        except ValueError as error:  # the record's own checks
            findings.leave_out(table, row, str(error), "correct that cell")
            continue
        first = seen.setdefault((made.subject, made.clip, made.onset), row)
        if first != row:
            findings.leave_out(table, row, f"same clip and onset as row {first}", "remove one of them")
            continue
        missing = _missing(made, listed)
        if missing:
            findings.warn(
                table,
                row,
                f"{missing} of the frames {made.onset}..{made.offset} are missing in {made.path}",
                "copy the clip again, if your archive has them",
            )
        records.append(made)
    for names in alike(records):
        findings.warn(
            table,
            None,
            f"the subjects {' and '.join(map(repr, names))} count as different people",
            "write one person always the same: in training and test at once, figures would be too good",
        )
    if not count:
        raise ConfigError(f"{table} has no rows\nadd one line for each expression under {_HEADER}")
    return Dataset("folder", root, table, tuple(records), tuple(findings.problems), (), count)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number and cells by lower-case column name; empty rows are passed over."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{table} is not UTF-8 text\nsave it as 'CSV UTF-8'") from error
    except OSError as error:
        raise ConfigError(
            f"cannot read {table}: {error.strerror or error}\nput a table there that begins with {_HEADER}"
        ) from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in COLUMNS if name not in header and name not in OPTIONAL]
    if missing:
        wanted = ", ".join(missing)
        raise ConfigError(f"{table}, row 1: no column {wanted}\nlet the table begin with {_HEADER}")
    for cells in reader:
        if any(cell.strip() for cell in cells):
            padded = [*cells, *[""] * (len(header) - len(cells))]
            yield reader.line_num, {name: cell.strip() for name, cell in zip(header, padded, strict=False)}


def _record(root: Path, cells: Mapping[str, str], frames: Callable[[Path], dict[int, Path]]) -> ClipRecord:
    for name in ("subject", "clip", "label"):
        if not cells[name]:
            raise RowError(f"{name} is empty", "fill it in")
    path = _clip_path(root, cells["subject"], cells["clip"])
    numbers = list(frames(path)) if path.is_dir() else None
    onset, offset = _frame(cells, "onset"), _frame(cells, "offset")
    if numbers is not None:
        for name, value in (("onset", onset), ("offset", offset)):
            if not numbers[0] <= value <= numbers[-1]:
                raise RowError(
                    f"{name} {value} lies outside the frames {numbers[0]}..{numbers[-1]} of {path}",
                    "frame numbers are those in the files' names",
                )
    apex_text = cells.get("apex", "")
    return ClipRecord(
        dataset="folder",
        subject=cells["subject"],
        clip=cells["clip"],
        path=path,
        fps=_rate(cells["fps"]),
        onset=onset,
        apex=None if apex_text in ("", "/") else _frame(cells, "apex"),
        offset=offset,
        label=cells["label"].lower(),
        action_units=parse_action_units(cells.get("aus", "")),
        first_frame=numbers[0] if numbers else 0,
    )


def _missing(record: ClipRecord, frames: Callable[[Path], dict[int, Path]]) -> int:
    """How many numbers between onset and offset have no frame; a video file is not looked into."""
    if not record.path.is_dir():
        return 0
    there = frames(record.path)
    return sum(number not in there for number in range(record.onset, record.offset + 1))


def _clip_path(root: Path, subject: str, clip: str) -> Path:
    """``clip`` or ``subject/clip``, with any extension where none is given."""
    for place in (root / clip, root / subject / clip):
        if place.exists():
            return place
        matches = sorted(place.parent.glob(f"{_literal(place.name)}.*")) if place.parent.is_dir() else []
        matches = [match for match in matches if match.suffix.lower() not in (".json", ".csv", ".txt")]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(match.name for match in matches)
            raise RowError(f"clip {clip!r} could be any of {names}", "write its extension, too")
    raise RowError(f"there is no clip {clip!r} in {root}", f"its path is relative to {TABLE}")


def _literal(name: str) -> str:
    """A name for ``glob`` in which nothing is a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _frame(cells: Mapping[str, str], name: str) -> int:
    text = cells[name]
    try:
        value = float(text)
        if value != int(value) or value < 0:
            raise ValueError
    except (ValueError, OverflowError):
        raise RowError(f"{name} is {text!r}, not a frame number", "write a whole number") from None
    return int(value)


def _rate(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise RowError(f"fps is {text!r}, not a number", "write the rate, such as 25 or 29.97") from None
