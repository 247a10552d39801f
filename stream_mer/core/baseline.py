"""Judges an event by what is usual for this face: a running median and spread of its own evidence.

A face that talks, nods or is badly lit gives the classifier something all the time. What is usual for a
face is no event, so its evidence must stand out from its own last seconds, not only from zero. Which
window wins, and where its event begins and ends, is left to the scores as they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from stream_mer.types import Event, Score

MEMORY_NS = 12_000_000_000
"""What is usual is what the last twelve seconds showed."""
STEP_NS = 40_000_000
"""The strongest score of each such step is remembered."""
ENOUGH = 40
"""Fewer steps than this (1.6 s) say nothing; evidence then counts as it is."""
MOST_FACES = 256
"""Faces that are remembered, the last seen: many more than one picture holds, few enough for weeks."""
RESTING = -6.0
"""Log odds of a face at rest, where a calibration does not say what it is."""
SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""


@dataclass(slots=True)
class EvidenceBaseline:
    """Knows how much evidence each face gave lately. Causal; one stream.

    Args:
        share: how much of what is usual is taken off; 0 remembers nothing and takes nothing off.
        resting: what is usual of a resting face (log odds, as the calibration reads them): only what is
            usual above it is taken off.
        spread: this many robust standard deviations belong to what is usual.
    """

    share: float = 0.0
    resting: float = RESTING
    spread: float = 1.0
    _steps: dict[tuple[int, int], deque[list[float]]] = field(default_factory=dict)

    def push(self, scores: Iterable[Score]) -> None:
        """Remember one frame's scores."""
        if self.share > 0:
            for score in scores:
                self._remember(score)

    def usual(self, track_id: int, epoch: int, before_ns: int) -> float:
        """Log odds that this face gave up to a time without an event; ``resting`` if too little was seen."""
        steps = self._steps.get((track_id, epoch), ())
        before = [odds for slot, odds in steps if slot < before_ns // STEP_NS]
        if len(before) < ENOUGH:
            return self.resting
        odds = np.array(before)
        middle = float(np.median(odds))
        return middle + self.spread * SIGMA * float(np.median(np.abs(odds - middle)))

    def excess(self, event: Event) -> float:
        """Log odds (0 or more) to take off this event's: what it showed itself is not what was usual."""
        usual = self.usual(event.track_id, event.epoch, event.onset_ns) if self.share > 0 else self.resting
        return self.share * max(0.0, usual - self.resting)

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


def moved(event: Event, by: float) -> Event:
    """The event with its log odds moved by so much; the classes keep their shares of its probability."""
    if by == 0:
        return event
    p = 1 / (1 + float(np.exp(-(log_odds(event.probability) + by))))
    factor = p / max(event.probability, 1e-12)
    return replace(event, probability=p, probabilities=tuple(q * factor for q in event.probabilities))


def log_odds(p: float) -> float:
    """``log(p / (1 - p))``, finite.

    >>> log_odds(0.5)
    0.0
    """
    p = min(max(p, 1e-9), 1 - 1e-9)
    return float(np.log(p / (1 - p)))
