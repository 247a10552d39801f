"""What a camera has counted over all its runs: counters must go on when a pipeline is started again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.pipeline.timing import Histogram


@dataclass(frozen=True, slots=True)
class Totals:
    """``captured == processed + sum(dropped) + in_flight``; see ``pipeline.ledger.Flow``."""

    captured: int = 0
    processed: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    events: int = 0
    stages: Mapping[str, Histogram] = field(default_factory=dict)

    @staticmethod
    def of(run: ThreadedRun) -> Totals:
        """What one run has counted so far; callable from any thread."""
        flow = run.flow()
        stages = {name: times.histogram() for name, times in list(run.progress.times.items())}
        stages["latency"] = run.latency.histogram()
        return Totals(
            flow.captured,
            flow.processed,
            flow.dropped,
            flow.in_flight,
            run.losses(),
            run.progress.tally.events,
            stages,
        )

    def plus(self, other: Totals) -> Totals:
        """Both together."""
        stages = dict(self.stages)
        for name, more in other.stages.items():
            have = stages.get(name)
            stages[name] = more if have is None else _sum(have, more)
        return Totals(
            self.captured + other.captured,
            self.processed + other.processed,
            dict(Counter(self.dropped) + Counter(other.dropped)),
            self.in_flight + other.in_flight,
            dict(Counter(self.lost) + Counter(other.lost)),
            self.events + other.events,
            stages,
        )


def _sum(one: Histogram, two: Histogram) -> Histogram:
    counts = tuple(a + b for a, b in zip(one.counts, two.counts, strict=True))
    return Histogram(counts, one.sum_s + two.sum_s)
