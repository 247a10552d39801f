"""Runs the product's own judgement over watched videos: which candidates, with which truth.

A trial is one video shown to the classifier in one way. Its candidates are those of the product; the
threshold and the vetoes are applied afterwards, so that one run tells what every setting would give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

import numpy as np

from stream_mer.app.compose import infer_step
from stream_mer.app.networks import Networks
from stream_mer.app.remembered import Answers
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.decision import FLOOR, Candidate, Judge
from stream_mer.core.flow_spotting import FlowSpotter
from stream_mer.core.metrics import match_spotting
from stream_mer.core.operating import CountTable
from stream_mer.core.tally import Tally
from stream_mer.core.vetoes import DEFAULT, VetoLimits
from stream_mer.protocols import Engine
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import ArrayF64, Event, FrameFaces, Rejection, Result

BATCH = 32
"""Frames whose faces go through the engines at once; nobody waits for a trial's single frame."""
Engines: TypeAlias = tuple[Engine, Engine]
WAYS: dict[str, tuple[str, str]] = {
    "native crop": ("never", "bicubic"),
    "LR 32, bicubic": ("always", "bicubic"),
    "LR 32, SR": ("always", "auto"),
}
"""What the classifier may be shown: name -> ``--sr`` and ``--engine``."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one video: every candidate, and what was there (nothing, if nothing was injected).

    ``unclear`` is there as well, but shows too little: who reports it is neither right nor wrong.
    """

    video: str
    person: str
    minutes: float
    coverage: float
    truth: tuple[TrueEvent, ...]
    candidates: tuple[Candidate, ...]
    vetoes: Collection[str] = DEFAULT
    limits: VetoLimits = field(default_factory=VetoLimits)
    min_ns: int = 0
    unclear: tuple[TrueEvent, ...] = ()

    def decide(self, threshold: float) -> tuple[tuple[Event, ...], tuple[Rejection, ...]]:
        """What the product reports at this threshold, and what it turns down."""
        judge = Judge(threshold, self.video, self.vetoes, self.limits, self.min_ns)
        return judge.judge(self.candidates)

    def matches(self, threshold: float, min_iou: float = 0.5) -> list[tuple[Event | None, TrueEvent | None]]:
        """Every event found with its truth, then the false ones, then the missed ones.

        What was found where something unclear is and nothing true, is left out, see ``metrics.excused``.
        """
        found, _ = self.decide(threshold)
        there, true, unclear = (
            [(e.onset_ns, e.offset_ns) for e in some] for some in (found, self.truth, self.unclear)
        )
        matching = match_spotting(there, true, unclear, min_iou)
        return [
            *((found[i], self.truth[j]) for i, j in matching.hits),
            *((found[i], None) for i in matching.false),
            *((None, self.truth[j]) for j in matching.missed),
        ]

    def count(self, threshold: float) -> tuple[int, int, int, int]:
        """True and false positives, false negatives, hits of the right class."""
        rows = self.matches(threshold)
        hits = [(e, t) for e, t in rows if e and t]
        right = sum(e.label == t.label for e, t in hits)
        return len(hits), sum(t is None for _, t in rows), sum(e is None for e, _ in rows), right


def run_trial(watched: Watched, settings: Settings, networks: Networks, engines: Engines) -> Trial:
    """Judge a watched video with the product's own steps, as ``settings.sr`` says ('always' or 'never')."""
    lowest = replace(settings, threshold=FLOOR, far=None, vetoes="none")
    step, tally = infer_step(watched.info, lowest, networks, engines), Tally()
    found: list[Candidate] = []
    for batch in batches_of(watched, lowest):
        for result, candidates in step.find_many(batch):
            tally.push(result)
            found += candidates
    found += step.find_rest()
    return Trial(
        watched.name,
        watched.person,
        watched.minutes,
        tally.coverage,
        watched.truth,
        tuple(found),
        min_ns=_shortest_ns(settings),
        unclear=watched.unclear,
    )


def results_of(
    watched: Watched, settings: Settings, networks: Networks, engines: Engines
) -> Iterator[Result]:
    """What the product's judging step says of every frame, faces shown as ``settings.sr`` says."""
    step = infer_step(watched.info, settings, networks, engines)
    for batch in batches_of(watched, settings):
        yield from step.push_many(batch)


def batches_of(watched: Watched, settings: Settings) -> Iterator[list[FrameFaces]]:
    """The frames in order, faces shown as ``settings.sr`` says."""
    frames = watched.shown(settings.sr == "always")
    while batch := list(islice(frames, BATCH)):
        yield batch


@contextmanager
def opened(networks: Networks) -> Iterator[Engines]:
    """Super-resolver and classifier, open for as many videos as are to be judged."""
    with closing(networks.open_super_resolver()) as up, closing(networks.open_classifier()) as classifier:
        yield up, classifier


def run_way(
    watched: Iterable[Watched],
    way: str,
    settings: Settings,
    networks: Networks,
    answers: Answers | None = None,
) -> list[Trial]:
    """Trials of all videos, shown in one of ``WAYS``; the networks are those of that way.

    ``answers`` keeps what the classifier says, for another run that reads it otherwise.
    """
    chosen = settings_of_way(way, settings)
    with opened(networks) as (up, classifier):
        engines = up, classifier if answers is None else answers.of(classifier)
        return [run_trial(one, chosen, networks, engines) for one in watched]


def run_flow(watched: Iterable[Watched], settings: Settings) -> list[Trial]:
    """Trials of the spotter that learnt nothing, on native crops."""
    trials = []
    for one in watched:
        shortest = _shortest_ns(settings)
        spotter = FlowSpotter(one.info.name, shortest, round(settings.max_duration_s * 1e9))
        found = tuple(
            Candidate(event, None, item.frame.pts_ns)
            for item in one.frames
            for event in spotter.push(item.crops)
        )
        trials.append(
            Trial(
                one.name, one.person, one.minutes, 1.0, one.truth, found,
                min_ns=shortest, unclear=one.unclear,
            )
        )  # fmt: skip
    return trials


def _shortest_ns(settings: Settings) -> int:
    return round(settings.min_duration_s * 1e9)


def settings_of_way(way: str, settings: Settings) -> Settings:
    """The settings that show the classifier faces in this way."""
    sr, engine = WAYS[way]
    return replace(settings, sr=sr, engine=settings.engine if engine == "auto" else engine)


def count_trials(trials: Sequence[Trial], thresholds: ArrayF64) -> CountTable:
    """Counts of every trial at every threshold."""
    counts = np.array([[trial.count(float(t)) for t in thresholds] for trial in trials], np.float64)
    minutes = np.array([trial.minutes for trial in trials])
    shape = (len(trials), len(thresholds), 4)
    return CountTable(thresholds, counts.reshape(shape), minutes, tuple(t.person for t in trials))


def with_vetoes(
    trials: Sequence[Trial], active: Collection[str], limits: VetoLimits | None = None
) -> list[Trial]:
    """The same trials with other vetoes."""
    return [replace(t, vetoes=tuple(active), limits=limits or t.limits) for t in trials]
