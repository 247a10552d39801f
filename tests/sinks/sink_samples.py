"""Small made-up values that the tests of the sinks share."""

from __future__ import annotations

import numpy as np

from stream_mer.types import (
    LABELS,
    Box,
    Event,
    FaceCrop,
    FaceTrack,
    Frame,
    ImageU8,
    Rejection,
    Result,
    RunSummary,
    Score,
    Similarity,
)

MS = 1_000_000


def picture(width: int = 64, height: int = 48, seed: int = 0) -> ImageU8:
    """A smooth coloured picture, different for every seed."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    a, b, c = rng.uniform(0.2, 0.8, 3)
    return (
        (np.stack([a * x + 0.2, b * y + 0.2, c * (1 - x) + 0.1 * y], 2) * 255).clip(0, 255).astype(np.uint8)
    )


def track(track_id: int = 1, x: float = 20, y: float = 10, width: float = 16) -> FaceTrack:
    """A face of ``width`` px whose box starts at ``x, y``."""
    scale = width / 92
    return FaceTrack(
        track_id,
        0,
        Box(x, y, x + width, y + width * 1.15),
        Similarity(scale, 0, x - 18 * scale, y),
        width,
        0.9,
    )


def crop(of: FaceTrack, index: int, pts_ns: int, *, sr: bool = True) -> FaceCrop:
    """A crop with random content for a track."""
    rng = np.random.default_rng(of.track_id)
    lr = rng.integers(0, 255, (32, 32, 3), np.uint8)
    return FaceCrop(of, index, pts_ns, 0, lr, np.kron(lr, np.ones((4, 4, 1), np.uint8)), sr)


def event(
    onset_ms: int = 1000, duration_ms: int = 120, label: str = "surprise", track_id: int = 1, epoch: int = 0
) -> Event:
    """An event with a plausible probability vector."""
    probabilities = tuple(0.8 if name == label else 0.03 for name in LABELS)
    return Event(
        f"{track_id}-{onset_ms}",
        "clip.mp4",
        epoch,
        track_id,
        onset_ms * MS,
        (onset_ms + duration_ms // 2) * MS,
        (onset_ms + duration_ms) * MS,
        label,
        0.92,
        probabilities,
        96.25,
        True,
    )


def rejection(onset_ms: int = 1000, reason: str = "blink", track_id: int = 1) -> Rejection:
    """A candidate of 200 ms that was turned down."""
    times = (onset_ms * MS, (onset_ms + 100) * MS, (onset_ms + 200) * MS)
    return Rejection(track_id, 0, *times, "others", 0.9, reason, "the eyes changed")


def score(centre_ms: int, probability: float, track_id: int = 1, epoch: int = 0) -> Score:
    """A score whose event probability is ``probability``."""
    return Score(track_id, 0, epoch, centre_ms * MS, 120 * MS, (probability / 5,) * 5, 96.0, True)


def result(
    index: int = 0,
    *,
    fps: float = 25.0,
    size: tuple[int, int] = (64, 48),
    tracks: tuple[FaceTrack, ...] = (),
    crops: tuple[FaceCrop, ...] = (),
    scores: tuple[Score, ...] = (),
    events: tuple[Event, ...] = (),
    epoch: int = 0,
) -> Result:
    """The result of frame ``index`` of a steady stream."""
    frame = Frame(index, round(index * 1e9 / fps), picture(*size, seed=index % 7), epoch)
    return Result(frame, tracks, crops, scores, events)


def summary(**changes: object) -> RunSummary:
    """A complete summary; keyword arguments replace fields."""
    fields: dict[str, object] = {
        "source": "clip.mp4",
        "frames": 100,
        "frames_dropped": {"corrupt": 2},
        "duration_s": 4.0,
        "fps_nominal": 25.0,
        "fps_effective": 24.5,
        "coverage": 0.93,
        "tracks": 1,
        "events": 1,
        "throughput_fps": 61.0,
        "stages": {"face": {"p50_ms": 5.0, "p95_ms": 8.0, "p99_ms": 9.0}},
        "engines": {"rrdb": "0123456789ab"},
        "observability": {"shortest_event_s": 0.12, "verdict": "partly"},
        "settings": {"threshold": 0.5, "labels": ("a", "b")},
        "version": "0.1.0",
        "warnings": ("file is truncated at 3.9 s",),
    }
    return RunSummary(**(fields | changes))  # type: ignore[arg-type]
