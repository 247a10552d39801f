"""Deletes recorded pictures that are too old or too many; events, reviews and reports hold none and stay."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PICTURES = re.compile(r"overlay-\d{8}T\d{6}Z\.mp4|[0-9a-f]{16}-(onset|apex|offset)\.jpg")
"""Names that ``SegmentSink`` and ``ThumbnailSink`` give, and hardly anybody else."""
FRESH_S = 120.0
"""What was changed since is still being written, and never deleted."""

log = logging.getLogger("stream_mer.record")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept under ``root``: at most ``days`` old and ``gigabytes`` together; None is no limit."""

    root: Path
    days: float | None = None
    gigabytes: float | None = None

    @property
    def limited(self) -> bool:
        """Whether anything is ever deleted."""
        return self.days is not None or self.gigabytes is not None


def expired(files: Iterable[tuple[Path, int, float]], retention: Retention, now_s: float) -> list[Path]:
    """Which files must go, oldest first; fresh ones count, but never go.

    Args:
        files: path, size in bytes, time of the last change in s.
        retention: what may stay.
        now_s: the present, s.
    """
    oldest_first = sorted(files, key=lambda f: (f[2], f[0]))
    excess = 0.0
    if retention.gigabytes is not None:
        excess = sum(size for _, size, _ in oldest_first) - retention.gigabytes * 1e9
    oldest_s = -float("inf") if retention.days is None else now_s - retention.days * 86_400
    going: list[Path] = []
    for path, size, changed_s in oldest_first:
        if changed_s > now_s - FRESH_S or (changed_s >= oldest_s and excess <= 0):
            break
        going.append(path)
        excess -= size
    return going


def sweep(retention: Retention, now_s: float) -> int:
    """Delete what must go, and say so in the log; how many files went.

    Args:
        retention: what may stay, and where.
        now_s: the present, s since 1970.
    """
    deleted, stayed = 0, list[str]()
    for path in expired(_pictures(retention.root), retention, now_s):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # noqa: PERF203  (one file that stays must not keep the others)
            stayed.append(f"{path}: {error.strerror or error}")
        else:
            deleted += 1
    if deleted:
        log.info("deleted %d recorded files: older or more than is kept", deleted)
    if stayed:
        log.warning("cannot delete %d recorded files, first %s", len(stayed), stayed[0])
    return deleted


def _pictures(root: Path) -> Iterator[tuple[Path, int, float]]:
    for folder, _, names in os.walk(root):
        for name in names:
            if PICTURES.fullmatch(name):
                path = Path(folder) / name
                try:
                    stat = path.stat()
                except OSError:  # somebody else was quicker
                    continue
                yield path, stat.st_size, stat.st_mtime
