"""What a loader found: the records, and everything about the files that is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from stream_mer.datasets.records import ClipRecord
from stream_mer.errors import ConfigError


class RowError(Exception):
    """What is wrong with one row, and how to mend it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}\n{mend}")
        self.what, self.mend = what, mend


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and how to mend it.

    ``left_out``: the row could not become a record; otherwise it did, and this is for the reader to know.
    """

    place: Path
    row: int | None
    what: str
    mend: str
    left_out: bool = False

    def __str__(self) -> str:
        where = str(self.place) if self.row is None else f"{self.place}, row {self.row}"
        return f"{where}: {self.what}\n{self.mend}"


@dataclass(slots=True)
class Findings:
    """Collects problems and corrections while a dataset is read."""

    problems: list[Problem] = field(default_factory=list)
    corrections: list[str] = field(default_factory=list)

    def leave_out(self, place: Path, row: int | None, what: str, mend: str) -> None:
        """A row (or a clip) that cannot become a record."""
        self.problems.append(Problem(place, row, what, mend, left_out=True))

    def warn(self, place: Path, row: int | None, what: str, mend: str) -> None:
        """Something the reader should know about a record that was made."""
        self.problems.append(Problem(place, row, what, mend))


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it was found on disk; no picture has been read.

    ``rows`` is how many annotations (or clips, where there is no table) were looked at. ``corrections``
    says in words what was changed against the files, erratum by erratum.
    """

    name: str
    root: Path
    table: Path | None
    records: tuple[ClipRecord, ...]
    problems: tuple[Problem, ...]
    corrections: tuple[str, ...]
    rows: int

    @property
    def left_out(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.left_out)

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(sorted({record.subject for record in self.records}))

    def shortcomings(self) -> list[str]:
        """In words, for whoever prints figures: what they do not count, and what may make them wrong."""
        said, lost = [], self.left_out
        if lost:
            where = "" if lost[0].row is None else f" (row {lost[0].row})"
            what = f"{len(lost)} of {self.rows} rows could not be read, the first: {lost[0].what}{where}"
            said.append(f"{self.name}: {what}")
        notes, corrected = len(self.problems) - len(lost), len(self.corrections)
        if notes or corrected:
            said.append(f"{self.name}: notes {notes}, corrections {corrected}; evaluate.py doctor lists them")
        return said

    def whole(self) -> tuple[ClipRecord, ...]:
        """The records, if every row became one.

        Raises:
            ConfigError: some did not; the message is the first problem's, and how many more there are.
        """
        bad = self.left_out
        if bad:
            more = f"\n{len(bad) - 1} more like this; 'evaluate.py doctor' lists them" if len(bad) > 1 else ""
            raise ConfigError(f"{bad[0]}{more}")
        return self.records
