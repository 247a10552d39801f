"""Which recording a file is: the digest of its bytes, and whether it is still the one that was looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stream_mer.capture.address import content_digest, file_digest, resolve
from stream_mer.errors import ConfigError, SourceError, SourceNotFound
from stream_mer.sinks.manifest import FileEntry


@dataclass(frozen=True, slots=True)
class Identity:
    """A file as it was at one moment."""

    size: int
    changed_ns: int
    sha256: str


def identify(path: Path, known: FileEntry | None) -> Identity:
    """Read what a file is; if nobody has touched it since ``known``, that one's digest is taken for it.

    Raises:
        SourceError: it is no file, or cannot be read to its end.
        ConfigError: it is another recording than ``known``.
    """
    opening = resolve(path, 1.0)
    stat = _stat(path)
    if known and (known.size, known.changed_ns) == (stat.st_size, changed_ns(stat)):
        return Identity(stat.st_size, changed_ns(stat), known.sha256)
    digest = content_digest(opening)
    if known and digest != known.sha256:
        raise ConfigError(
            f"{path} has changed since this run began.\n"
            f"Its results in {known.name} belong to what it was; begin this file again with --restart."
        )
    return Identity(stat.st_size, changed_ns(stat), digest)


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise SourceNotFound(f"{path} is gone.\nIt was there when this run began.") from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}\nCheck the disk.") from error


def changed_ns(stat: os.stat_result) -> int:
    """When a file was last touched.

    Copying can give a file any modification time (``cp -p``, ``rsync -t``, ``touch -r``); the time at
    which its entry changed is the system's own, except on Windows, where that field is the time of birth.
    """
    return max(stat.st_mtime_ns, stat.st_ctime_ns)


def written_digest(path: Path) -> str:
    """sha256 of a file that a run wrote; empty if it is not there or cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return ""


def require_unchanged(path: Path, entry: FileEntry) -> None:
    """Whether what was judged is what ``entry`` says; a file that was taken away meanwhile was read whole.

    Raises:
        SourceError: it is another one now, such as a recording that goes on.
    """
    try:
        stat = _stat(path)
    except SourceNotFound:
        return
    if (stat.st_size, changed_ns(stat)) == (entry.size, entry.changed_ns):
        return
    if content_digest(resolve(path, 1.0)) != entry.sha256:
        raise SourceError(
            f"{path} has changed while it was judged: something is still writing it.\n"
            "What was found counts for nothing; run again with --resume when the recording is complete."
        )
