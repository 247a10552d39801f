"""The event log: every micro-expression found becomes one line of JSON in ``events.jsonl``, at once."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_mer.errors import ConfigError, OutputError
from stream_mer.types import LABELS, Event, Result, RunSummary

DIGEST_PREFIX = 12
"""Characters of an engine's sha256 that are logged: enough to tell any two engines apart by eye."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One line of ``events.jsonl``: the event, and what the log adds to it.

    ``onset_utc`` is ISO 8601 for a live source and None for a recording. ``engines`` maps an
    engine's name to the first characters of its sha256. ``camera`` is told where events of several
    cameras come together.
    """

    event: Event
    onset_utc: str | None = None
    engines: Mapping[str, str] | None = None
    camera: str | None = None


class EventLog:
    """Sink that appends each event to a file the moment it is decided.

    A line is written with one system call and never left half done: when the disk is full the
    fragment is cut off again, so the file stays valid JSON Lines.

    Args:
        path: file to write; its folder is made. A log of an earlier run is replaced.
        engines: name -> sha256 of every engine in use; if they may change meanwhile, what to ask.
        utc: turns an onset (ns of the source's clock) into ISO 8601 UTC; only for live sources.
        super_resolver: which of the engines native faces do not go through.

    Raises:
        OutputError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path | str,
        engines: Mapping[str, str] | Callable[[], Mapping[str, str]],
        *,
        utc: Callable[[int], str] | None,
        super_resolver: str | None = None,
    ) -> None:
        self.path = Path(path)
        self._super_resolver = super_resolver
        self._engines = engines
        self._utc = utc
        self._size = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise OutputError(
                f"cannot write the event log {self.path}: {error.strerror or error}\n"
                "choose another folder with --out, or make this one writable"
            ) from error

    def write(self, result: Result) -> None:
        """Append the events decided with this frame.

        Raises:
            OutputError: the disk is full or gone, or the log is already closed.
        """
        if self._file.closed:
            raise OutputError(f"the event log {self.path} is already closed; nothing can be added to it")
        for event in result.events:
            onset_utc = self._utc(event.onset_ns) if self._utc else None
            engines = self._engines() if callable(self._engines) else self._engines
            used = engines_of(event, engines, self._super_resolver)
            self._append(to_line(EventRecord(event, onset_utc, used)).encode())

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
        raise OutputError(
            f"cannot append to the event log {self.path}: {reason}\n"
            "free some space or choose another disk with --out; the events before this one are kept"
        )

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Sync and close the file; idempotent. The log is complete either way, summary or not.

        Raises:
            OutputError: the disk refused, at the very end, what it had taken before.
        """
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # pipes and devices cannot be synced
                raise OutputError(
                    f"the end of the event log {self.path} may be lost: {error.strerror or error}\n"
                    "check the disk and run again"
                ) from error
        finally:
            self._file.close()


def engines_of(event: Event, engines: Mapping[str, str], super_resolver: str | None) -> dict[str, str]:
    """Name -> start of the digest of the engines this event came through, by name."""
    return {
        name: digest[:DIGEST_PREFIX]
        for name, digest in sorted(engines.items())
        if event.sr or name != super_resolver
    }


def to_line(record: EventRecord) -> str:
    """One event as a line of JSON, newline included; fields in the documented order."""
    event = record.event
    fields: dict[str, Any] = {"camera": record.camera} if record.camera is not None else {}
    fields |= {
        "id": event.id,
        "source": event.source,
        "epoch": int(event.epoch),
        "track_id": int(event.track_id),
        "onset_ns": int(event.onset_ns),
        "apex_ns": int(event.apex_ns),
        "offset_ns": int(event.offset_ns),
    }
    if record.onset_utc is not None:
        fields["onset_utc"] = record.onset_utc
    fields |= {
        "label": event.label,
        "probability": round(float(event.probability), 6),
        "probabilities": {
            label: round(float(p), 6) for label, p in zip(LABELS, event.probabilities, strict=True)
        },
        "face_px": round(float(event.face_px), 2),
        "sr": bool(event.sr),
        "engines": dict(record.engines or {}),
    }
    return json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n"


def from_line(line: str) -> EventRecord:
    """The inverse of ``to_line``.

    Raises:
        ValueError: the line is not JSON or not an event (``KeyError`` and ``TypeError`` are turned
            into it), with the reason.
    """
    fields = json.loads(line)
    try:
        event = Event(
            id=str(fields["id"]),
            source=str(fields["source"]),
            epoch=int(fields["epoch"]),
            track_id=int(fields["track_id"]),
            onset_ns=int(fields["onset_ns"]),
            apex_ns=int(fields["apex_ns"]),
            offset_ns=int(fields["offset_ns"]),
            label=str(fields["label"]),
            probability=float(fields["probability"]),
            probabilities=tuple(float(fields["probabilities"][label]) for label in LABELS),
            face_px=float(fields["face_px"]),
            sr=bool(fields["sr"]),
        )
        engines = dict(fields.get("engines") or {})
        return EventRecord(event, fields.get("onset_utc"), engines, fields.get("camera"))
    except KeyError as error:
        raise ValueError(f"field {error} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a field has the wrong type ({error})") from error


def read_records(path: Path | str) -> list[EventRecord]:
    """Read a log back, in the order it was written.

    A torn last line (the program was killed while writing) is left out; damage anywhere else is
    reported, because it was not us.

    Raises:
        ConfigError: the file is not there, cannot be read, or a line before the last is damaged.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(
            f"cannot read the event log {path}: {error.strerror or error}\n"
            "give the folder of a finished run, the one that holds events.jsonl"
        ) from error
    records: list[EventRecord] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(from_line(line.decode()))
        except ValueError as error:
            if number == len(lines):  # no newline after it: it was being written
                break
            raise ConfigError(
                f"{path}, line {number} is not an event: {error}\nmend or delete that line"
            ) from error
    return records


def read_events(path: Path | str) -> list[Event]:
    """The events of a log, in the order it was written; see ``read_records``."""
    return [record.event for record in read_records(path)]
