"""Holds a live run's recordings to their limits, whether or not its cameras deliver."""

from __future__ import annotations

import time

from stream_mer.app.rounds import EVERY_S, Rounds
from stream_mer.sinks.retention import Retention, sweep


def keeping(retention: Retention, *, every_s: float = EVERY_S) -> Rounds:
    """Deletes what is older or more than is kept, now and once a minute; nothing without a limit.

    Not a sink's business: a folder of many pictures takes long to look through, and pictures must also
    go while the camera that they came from is away.
    """
    return Rounds(
        "keeping", (lambda: sweep(retention, time.time())) if retention.limited else None, every_s=every_s
    )
