"""The log of what was turned down: every rejected candidate becomes a line of ``rejected.jsonl``."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from stream_mer.errors import OutputError
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
