"""Checks what two places say of one clip against each other: one person must not count as two."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stream_mer.datasets.findings import RowError
from stream_mer.datasets.records import ClipRecord
from stream_mer.datasets.tables import Row


def filled(row: Row, name: str) -> str:
    """A cell that must not be empty.

    Raises:
        RowError: it is.
    """
    if not row.cells[name]:
        raise RowError(f"{name} is empty", "fill it in (of merged cells only the first one has a value)")
    return row.cells[name]


def require_person(subject: str, named: str, clip: str) -> None:
    """Check a subject against the number in a clip's name: a wrong one would be in training and test.

    Raises:
        RowError: they are two people.
    """
    numbers = re.findall(r"\d+", subject)
    if not numbers or int(numbers[-1]) != int(named):
        raise RowError(
            f"subject {subject} does not fit the clip {clip}, which is of {int(named)}",
            "correct the one that is wrong",
        )


def alike(records: Sequence[ClipRecord]) -> list[list[str]]:
    """Subjects whose names differ in nothing but case, blanks, marks and leading zeros."""
    groups: dict[tuple[str, ...], dict[str, None]] = {}
    for record in records:
        parts = re.findall(r"\d+|[^\W\d_]+", record.subject.casefold())
        plain = tuple(part.lstrip("0") if part.isdigit() else part for part in parts)
        groups.setdefault(plain or (record.subject,), {})[record.subject] = None
    return [list(names) for names in groups.values() if len(names) > 1]
