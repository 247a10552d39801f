"""Small made-up values that the tests of the dashboard share."""

from __future__ import annotations

import numpy as np

from stream_mer.types import Box, Event, FaceTrack, Frame, Result, Score, Similarity


class Hands:
    """A wall clock that the test turns, ns."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def event(onset_ms: int = 1000, label: str = "surprise", track_id: int = 1, epoch: int = 0) -> Event:
    """An event of 120 ms."""
    onset = onset_ms * 1_000_000
    return Event(
        f"{track_id}-{onset_ms}",
        "camera",
        epoch,
        track_id,
        onset,
        onset + 60_000_000,
        onset + 120_000_000,
        label,
        0.9,
        (0.02, 0.9, 0.02, 0.03, 0.03),
        90.0,
        True,
    )


def result(
    index: int = 0,
    *,
    scores: tuple[tuple[int, float], ...] = (),
    events: tuple[Event, ...] = (),
    epoch: int = 0,
) -> Result:
    """Frame ``index`` of a 25 fps stream with one face; ``scores`` are (centre ms, probability)."""
    frame = Frame(index, index * 40_000_000, np.full((48, 64, 3), (200, 40, 90), np.uint8), epoch)
    face = FaceTrack(1, 0, Box(10, 5, 40, 40), Similarity(0.3, 0, 5, 3), 30.0, 0.9)
    made = tuple(Score(1, 0, epoch, ms * 1_000_000, 120_000_000, (p / 5,) * 5) for ms, p in scores)
    return Result(frame, (face,), (), made, events)
