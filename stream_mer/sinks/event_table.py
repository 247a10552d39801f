"""Finds events again: the logs of any number of runs as one table that can be asked in SQL.

SQLite in memory, filled from the ``events.jsonl`` files each time: the logs stay the only truth, nothing
can be out of date, and nothing needs installing. A million events load in some ten seconds; whoever has
more exports Parquet and asks DuckDB.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_mer.errors import ConfigError
from stream_mer.sinks.event_log import read_records
from stream_mer.types import LABELS

COLUMNS: tuple[str, ...] = (
    *("camera", "id", "track", "onset_s", "apex_s", "offset_s", "duration_s", "utc", "label"),
    *("probability", *(f"p_{label}" for label in LABELS), "face_px", "sr", "epoch"),
)
"""What can be asked for. ``camera`` is the folder of the run; nothing says who was seen."""
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted; None lets everything through. All conditions must hold.

    ``camera`` may hold ``*`` and ``?``. ``from_s`` and ``to_s`` are seconds of the recording, ``from_utc``
    and ``to_utc`` ISO 8601 for live runs. ``query`` is an SQL condition over ``COLUMNS``.
    """

    camera: str | None = None
    label: str | None = None
    from_s: float | None = None
    to_s: float | None = None
    from_utc: str | None = None
    to_utc: str | None = None
    min_probability: float | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    query: str | None = None

    def conditions(self) -> tuple[str, list[object]]:
        """The WHERE clause and its values."""
        parts: list[tuple[str, object]] = [
            ("camera GLOB ?", self.camera),
            ("label = ?", self.label),
            ("offset_s > ?", self.from_s),
            ("onset_s < ?", self.to_s),
            ("utc >= ?", self.from_utc),
            ("utc < ?", self.to_utc),
            ("probability >= ?", self.min_probability),
            ("duration_s >= ?", self.min_duration_s),
            ("duration_s <= ?", self.max_duration_s),
        ]
        used = [(sql, value) for sql, value in parts if value is not None]
        clauses = [sql for sql, _ in used] + ([f"({self.query})"] if self.query else [])
        return " AND ".join(clauses) or "1", [value for _, value in used]


def find_logs(roots: Sequence[Path]) -> list[tuple[str, Path]]:
    """Every event log in these folders, with the name of its camera, sorted.

    Raises:
        ConfigError: there is none.
    """
    found: dict[Path, str] = {}
    for root in roots:
        for log in sorted(root.rglob("events.jsonl")) if root.is_dir() else []:
            camera = log.parent.relative_to(root).as_posix()
            found.setdefault(log, log.parent.resolve().name if camera == "." else camera)
    if not found:
        raise ConfigError(
            f"there is no events.jsonl in {', '.join(map(str, roots))}.\n"
            "Give the folder that was --out of 'process', --record of 'live', or one inside it."
        )
    return [(camera, log) for log, camera in found.items()]


def load(logs: Sequence[tuple[str, Path]]) -> sqlite3.Connection:
    """A table ``events`` with the events of these logs, which can be read only.

    Raises:
        ConfigError: a log is damaged.
    """
    table = sqlite3.connect(":memory:")
    table.execute(f"CREATE TABLE events ({', '.join(COLUMNS)})")
    for camera, log in logs:
        marks = ", ".join("?" * len(COLUMNS))
        table.executemany(f"INSERT INTO events VALUES ({marks})", _rows(camera, log))
    table.commit()
    table.set_authorizer(_read_only)
    return table


def select(
    table: sqlite3.Connection, wanted: Filter, columns: Sequence[str] = COLUMNS
) -> list[tuple[object, ...]]:
    """The rows wanted, by camera and time.

    Raises:
        ConfigError: the query is not a condition over ``COLUMNS``.
    """
    where, values = wanted.conditions()
    sql = f"SELECT {', '.join(columns)} FROM events WHERE {where} ORDER BY camera, epoch, onset_s, track"
    try:
        if wanted.query:  # a whole condition by itself, or its brackets could undo the others
            table.execute(f"EXPLAIN SELECT 1 FROM events WHERE {wanted.query}")
        return table.execute(sql, values).fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise ConfigError(
            f"--query {wanted.query!r} cannot be answered: {error}\n"
            f'Give an SQL condition over {", ".join(COLUMNS)}, such as "probability > 0.95 AND face_px > 60".'
        ) from error


def _read_only(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _rows(camera: str, log: Path) -> Iterator[tuple[object, ...]]:
    for record in read_records(log):
        e = record.event
        yield (
            *(camera, e.id, e.track_id, e.onset_ns / 1e9, e.apex_ns / 1e9, e.offset_ns / 1e9),
            *(round((e.offset_ns - e.onset_ns) / 1e9, 6), record.onset_utc, e.label, e.probability),
            *(*e.probabilities, e.face_px, int(e.sr), e.epoch),
        )
