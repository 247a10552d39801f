"""Judges a score by what is usual for this face: a running median and spread of its own evidence.

A face that talks, nods or is badly lit gives the classifier something all the time. What is usual for a
face is no event, so its evidence must stand out from its own last seconds, not only from zero.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from stream_mer.types import Score

MEMORY_NS = 12_000_000_000
"""What is usual is what the last twelve seconds showed."""
STEP_NS = 40_000_000
"""The strongest score of each such step is remembered."""
ENOUGH = 40
"""Fewer steps than this (1.6 s) say nothing; evidence then counts as it is."""
MOST_FACES = 256
"""Faces that are remembered, the last seen: many more than one picture holds, few enough for weeks."""
SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""


@dataclass(slots=True)
class EvidenceBaseline:
    """Takes the usual evidence of each track off its scores. Causal; one stream.

    Args:
        share: how much of what is usual is taken off; 0 leaves every score as it is.
        quiet: log odds that a resting face gives: only what is usual above it is taken off.
        spread: this many robust standard deviations belong to what is usual.
    """

    share: float = 0.0
    quiet: float = -4.0
    spread: float = 1.0
    _steps: dict[tuple[int, int], deque[list[float]]] = field(default_factory=dict)

    def push(self, scores: Iterable[Score]) -> tuple[Score, ...]:
        """One frame's scores, each lowered by what was usual for its face before them."""
        scores = tuple(scores)
        if self.share == 0:
            return scores
        adapted = tuple(self._lowered(score) for score in scores)
        for score in scores:
            self._remember(score)
        return adapted

    def usual(self, track_id: int, epoch: int) -> float:
        """Log odds that this face gives without an event; ``quiet`` while too little was seen."""
        steps = self._steps.get((track_id, epoch), ())
        if len(steps) < ENOUGH:
            return self.quiet
        odds = np.array([odds for _, odds in steps])
        middle = float(np.median(odds))
        return middle + self.spread * SIGMA * float(np.median(np.abs(odds - middle)))

    def _lowered(self, score: Score) -> Score:
        excess = self.share * max(0.0, self.usual(score.track_id, score.epoch) - self.quiet)
        if excess == 0:
            return score
        p = score.event_probability
        odds = log_odds(p) - excess
        factor = 1 / (1 + float(np.exp(-odds))) / max(p, 1e-12)
        return replace(score, probabilities=tuple(q * factor for q in score.probabilities))

    def _remember(self, score: Score) -> None:
        key = (score.track_id, score.epoch)
        steps = self._steps.pop(key, None) or deque()
        self._steps[key] = steps
        if len(self._steps) > MOST_FACES:
            del self._steps[next(iter(self._steps))]
        slot, odds = float(score.centre_ns // STEP_NS), log_odds(score.event_probability)
        if steps and steps[-1][0] >= slot:
            steps[-1][1] = max(steps[-1][1], odds)
        else:
            steps.append([slot, odds])
        while steps[-1][0] - steps[0][0] > MEMORY_NS / STEP_NS:
            steps.popleft()


def log_odds(p: float) -> float:
    """``log(p / (1 - p))``, finite.

    >>> log_odds(0.5)
    0.0
    """
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p / (1 - p)))
