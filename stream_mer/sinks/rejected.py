"""The log of what was turned down: every rejected candidate becomes a line of ``rejected.jsonl``."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from stream_mer.errors import ConfigError, OutputError
from stream_mer.types import Rejection, Result, RunSummary


class RejectedLog:
    """Sink for ``--explain``: when, whose, which class, how probable, and why not. Pixels never.

    Args:
        path: file to write; its folder is made, a log of an earlier run is replaced.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._size = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise self._error("create", error.strerror or str(error)) from error

    def write(self, result: Result) -> None:
        """Append the candidates turned down with this frame.

        Raises:
            OutputError: the disk is full or gone, or the log is already closed.
        """
        if self._file.closed:
            raise self._error("append to", "it is already closed")
        for rejection in result.rejected:
            self._append((rejection_line(rejection) + "\n").encode())

    def _append(self, line: bytes) -> None:
        try:
            written = self._file.write(line)
            reason = None if written == len(line) else "only part of a line fitted on the disk"
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is None:
            self._size += len(line)
            return
        with contextlib.suppress(OSError):  # a device or a pipe: there is nothing to cut
            os.ftruncate(self._file.fileno(), self._size)
        raise self._error("append to", reason)

    def _error(self, what: str, why: str) -> OutputError:
        return OutputError(
            f"cannot {what} the log of rejected candidates {self.path}: {why}\n"
            "free some space or choose another folder, or run without --explain"
        )

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Close the file; idempotent."""
        self._file.close()


def rejection_line(rejection: Rejection) -> str:
    """One JSON object, without a line end."""
    fields = asdict(rejection)
    fields["probability"] = round(rejection.probability, 4)
    return json.dumps(fields, ensure_ascii=False)


def read_rejections(path: Path) -> list[dict[str, object]]:
    """The lines of a log, in the order they were written; none if it is not there.

    A torn last line (the program was killed while writing) is left out.

    Raises:
        ConfigError: it cannot be read, or a line before the last is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}\nCheck its rights.") from error
    rows: list[dict[str, object]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            float(row["apex_ns"]), row["track_id"], row["label"], row["probability"], row["reason"]
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):  # no newline after it: it was being written
                break
            raise ConfigError(
                f"{path}, line {number} is no rejected candidate: {error}\nmend or delete that line"
            ) from error
        rows.append(row)
    return rows
