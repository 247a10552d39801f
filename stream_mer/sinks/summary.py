"""The run's summary, ``run.json``: written whole or not at all, so a file that is there can be trusted."""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from stream_mer.errors import ConfigError, OutputError
from stream_mer.types import RunSummary


def write_summary(path: Path | str, summary: RunSummary) -> None:
    """Write ``summary`` as JSON: a neighbouring file first, synced, then renamed over ``path``.

    Numbers that are not finite become ``null`` (JSON has no word for them), paths become text.

    Raises:
        OutputError: the folder is not writable or the disk is full; an older file stays as it was.
    """
    path = Path(path)
    record = {field.name: _plain(getattr(summary, field.name)) for field in fields(summary)}
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    write_text(path, text, "the run's summary")


def write_text(path: Path, text: str, what: str) -> None:
    """Write a finished text file atomically (neighbour, fsync, rename); ``what`` is for the message.

    Raises:
        OutputError: it could not be written; nothing half-written is left behind.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot write {what} to {path}: {error.strerror or error}\n"
            "free some space or make the folder writable, or choose another one"
        ) from error


def read_summary(path: Path | str) -> RunSummary:
    """Read a ``run.json`` back.

    Raises:
        ConfigError: it is not there (the run did not finish) or not a summary.
    """
    path = Path(path)
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record["warnings"] = tuple(record.get("warnings", ()))
        return RunSummary(**record)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}\n"
            "a run that did not finish has none; give the folder of a finished run"
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not a run's summary: {error}\ngive the folder of a finished run"
        ) from error


def _plain(value: object) -> object:
    """``value`` in JSON's own types."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):  # NumPy's integers too
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; where folders cannot be synced, there is nothing to do."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
