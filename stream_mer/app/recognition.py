"""Events with their pictures and what the classifier says of them: what recognition is measured on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.networks import Networks
from stream_mer.app.trial import Engines, opened, results_of, settings_of_way
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.memory import grey64
from stream_mer.core.metrics import interval_iou
from stream_mer.types import LABELS, ArrayF32, Score

FRAMES = 16
"""Every event is resampled in time to so many pictures before texture is counted (as TIM does)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One event: ``clip`` ``(16, 64, 64)`` uint8 grey pictures from onset to offset, its class, who.

    ``said`` is the classifier's class for the window that fits the event best; None if no window does.
    """

    clip: NDArray[np.uint8]
    label: int
    person: str
    said: int | None


def show_events(
    watched: Iterable[Watched], way: str, settings: Settings, networks: Networks
) -> Iterator[Shown]:
    """Every event of the videos, faces shown in one of ``trial.WAYS``; without crops it is left out."""
    chosen = settings_of_way(way, settings)
    with opened(networks) as engines:
        for one in watched:
            yield from _shown(one, chosen, networks, engines)


def _shown(one: Watched, settings: Settings, networks: Networks, engines: Engines) -> Iterator[Shown]:
    scores: list[Score] = []
    times, greys = [], []
    for result in results_of(one, settings, networks, engines):
        scores += result.scores
        for crop in result.crops[:1]:
            if crop.picture is not None:
                times.append(crop.pts_ns)
                greys.append(grey64(crop.picture))
    for event in one.truth:
        span = (event.onset_ns, event.offset_ns)
        inside = [i for i, t in enumerate(times) if span[0] <= t < span[1]]
        if len(inside) >= 3:
            clip = resampled(np.stack([greys[i] for i in inside]), FRAMES)
            yield Shown(clip, LABELS.index(event.label), one.person, best_class(scores, span))


def best_class(scores: Iterable[Score], span: tuple[int, int]) -> int | None:
    """The class of the score whose window fits the interval best; None if none overlaps it by half."""

    def fit(score: Score) -> float:
        half = score.duration_ns // 2
        return interval_iou((score.centre_ns - half, score.centre_ns + half), span)

    best = max(scores, key=fit, default=None)
    if best is None or fit(best) < 0.5:
        return None
    return int(np.argmax(best.probabilities))


def resampled(pictures: ArrayF32, count: int) -> NDArray[np.uint8]:
    """``(count, H, W)`` uint8: the pictures at even steps in time, linear between neighbours."""
    at = np.linspace(0, len(pictures) - 1, count)
    low = np.minimum(at.astype(int), len(pictures) - 2)
    share = (at - low)[:, None, None]
    mixed = (1 - share) * pictures[low] + share * pictures[low + 1]
    out: NDArray[np.uint8] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return out
