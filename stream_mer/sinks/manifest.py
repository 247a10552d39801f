"""Remembers on disk which segments of an archive are done, so that nothing is done twice or lost.

One SQLite file beside the outputs. What a segment gave is committed in one transaction: after a crash at
any instant, power cuts included, it is there whole or not at all. Events go from here to
``events.jsonl``, which can be written again at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_mer.errors import ConfigError, OutputError

LAYOUT = 1
MANIFEST = "manifest.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  name TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, source TEXT NOT NULL, size INTEGER NOT NULL,
  changed_ns INTEGER NOT NULL, sha256 TEXT NOT NULL, segments INTEGER NOT NULL, done INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS items (
  sha256 TEXT NOT NULL, settings TEXT NOT NULL, segment INTEGER NOT NULL, result TEXT NOT NULL,
  PRIMARY KEY (sha256, settings, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
  name TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (name, file)) WITHOUT ROWID;
"""


def writable(text: str) -> str:
    r"""A file's name as text that databases and JSON hold: bytes that are no UTF-8 are spelled out.

    >>> writable("caf\udce9.mp4")
    'caf\\udce9.mp4'
    """
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One input: the name of its folder of outputs, where it lies, and what it was when it was read.

    ``source`` is the name that its events carry, ``changed_ns`` when it was last touched. ``segments`` is 0
    until it was planned. ``overlay`` and ``evidence`` say what was once made of it; it may have been
    deleted since.
    """

    name: str
    path: str
    source: str
    size: int
    changed_ns: int
    sha256: str
    segments: int = 0
    done: bool = False
    overlay: bool = False
    evidence: bool = False


_DONE, _OVERLAY, _EVIDENCE = 1, 2, 4
"""The bits of the column ``done``."""


class Manifest:
    """The list of files and finished segments of one output folder. One process at a time.

    Args:
        path: the SQLite file, or ``:memory:``.

    Raises:
        ConfigError: another run is writing there, or the file is of another layout.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        with self._guard():
            self._db = sqlite3.connect(self._path, timeout=0.2, isolation_level=None)
            # The lock is the system's: it ends with the process, however that ends.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA secure_delete=ON")  # what is forgotten is not to stay in free pages
            self._db.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT OR IGNORE INTO about VALUES ('layout', ?)", (str(LAYOUT),))
            self._db.execute("COMMIT")
            layout = self.about("layout")
        if layout != str(LAYOUT):
            raise ConfigError(
                f"{path} was written by another version of stream-mer (layout {layout}, not {LAYOUT}).\n"
                "Use that version, or another folder with --out."
            )

    def about(self, key: str) -> str | None:
        """A fact about the whole run."""
        with self._guard():
            row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def tell(self, facts: Mapping[str, str]) -> None:
        """Write facts about the whole run."""
        with self._change() as db:
            db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", list(facts.items()))

    def file_at(self, path: Path) -> FileEntry | None:
        """The entry of the file at this (absolute) place."""
        return next(self._files("WHERE path = ?", (writable(str(path)),)), None)

    def files(self) -> list[FileEntry]:
        """All entries."""
        return list(self._files("ORDER BY name", ()))

    def put_file(self, entry: FileEntry, written: Mapping[str, str] | None = None) -> None:
        """Write or replace an entry, with what was written for it: file below its folder -> sha256."""
        values = (
            *(entry.name, entry.path, entry.source, entry.size, entry.changed_ns),
            *(entry.sha256, entry.segments, _bits(entry)),
        )
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            for file, sha256 in (written or {}).items():
                db.execute("INSERT OR REPLACE INTO written VALUES (?, ?, ?)", (entry.name, file, sha256))

    def written(self, name: str) -> dict[str, str]:
        """What was written for a file, as it was then: file below its folder of outputs -> sha256."""
        with self._guard():
            rows = self._db.execute("SELECT file, sha256 FROM written WHERE name = ?", (name,)).fetchall()
        return dict(rows)

    def forget(self, name: str) -> None:
        """Remove a file and what its segments gave, unless another file has the same content."""
        with self._change() as db:
            row = db.execute("SELECT sha256 FROM files WHERE name = ?", (name,)).fetchone()
            db.execute("DELETE FROM files WHERE name = ?", (name,))
            db.execute("DELETE FROM written WHERE name = ?", (name,))
            if row is not None:
                db.execute(
                    "DELETE FROM items WHERE sha256 = ?1 "
                    "AND NOT EXISTS (SELECT 1 FROM files WHERE sha256 = ?1)",
                    row,
                )

    def commit(self, sha256: str, settings: str, segment: int, result: Mapping[str, Any]) -> None:
        """Keep what a segment gave; a second time changes nothing."""
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        with self._change() as db:
            db.execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?)", (sha256, settings, segment, text))

    def result(self, sha256: str, settings: str, segment: int) -> dict[str, Any] | None:
        """What a segment gave, if it is done."""
        with self._guard():
            row = self._db.execute(
                "SELECT result FROM items WHERE sha256 = ? AND settings = ? AND segment = ?",
                (sha256, settings, segment),
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def finished(self, sha256: str, settings: str) -> set[int]:
        """The segments of a file that are done."""
        with self._guard():
            rows = self._db.execute(
                "SELECT segment FROM items WHERE sha256 = ? AND settings = ?", (sha256, settings)
            ).fetchall()
        return {int(row[0]) for row in rows}

    def unfinished(self) -> tuple[int, int]:
        """How many files are not done yet, and how many segments of them are."""
        with self._guard():
            files = self._db.execute("SELECT count(*) FROM files WHERE done & 1 = 0").fetchone()[0]
            items = self._db.execute(
                "SELECT count(*) FROM items WHERE sha256 IN (SELECT sha256 FROM files WHERE done & 1 = 0)"
            ).fetchone()[0]
        return int(files), int(items)

    def close(self) -> None:
        """Let go of the file; idempotent."""
        self._db.close()

    def _files(self, where: str, values: tuple[object, ...]) -> Iterator[FileEntry]:
        with self._guard():
            rows = self._db.execute(f"SELECT * FROM files {where}", values).fetchall()
        for name, path, source, size, changed_ns, sha256, segments, done in rows:
            made = [bool(done & bit) for bit in (_DONE, _OVERLAY, _EVIDENCE)]
            yield FileEntry(name, path, source, size, changed_ns, sha256, segments, *made)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConfigError(
                    f"another run is writing to {Path(self._path).parent}.\n"
                    "Wait for it to end, or choose another folder with --out."
                ) from error
            raise self._refusal(error) from error
        except sqlite3.DatabaseError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.DatabaseError) -> OutputError:
        if "not a database" in str(error) or "malformed" in str(error):
            return OutputError(
                f"{self._path} is damaged: {error}\n"
                "Delete it and run again: what is done is judged again; or choose another folder with --out."
            )
        why = f"No space left ({error})" if "full" in str(error) else str(error)
        return OutputError(
            f"cannot write {self._path}: {why}\n"
            "free some space and run again with --resume, or choose another folder with --out"
        )


def _bits(entry: FileEntry) -> int:
    """What the column ``done`` holds."""
    return entry.done * _DONE | entry.overlay * _OVERLAY | entry.evidence * _EVIDENCE
