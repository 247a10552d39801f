"""Tables of how well events are found: synthetic clips, real video, with intervals over people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.trial import Trial, count_trials
from stream_mer.core.metrics import uf1
from stream_mer.core.operating import (
    THRESHOLDS,
    CountTable,
    Measure,
    alarms,
    bootstrap,
    f1,
    precision,
    recall,
    right_class,
    threshold_for,
)
from stream_mer.types import LABELS, ArrayF64

MISSED = len(LABELS)
FAR_RATES = (0.5, 1.0, 2.0, 5.0, 10.0)
FLOW = "optical flow, nothing learnt"
FLOW_RATE = 2.0
"""The baseline is shown at the threshold that would give it at most so many alarms a minute here."""


def confusion_of(trials: Sequence[Trial], threshold: float) -> NDArray[np.int64]:
    """``(5, 6)``: true class by said class, the last column counts events that were missed."""
    table = np.zeros((len(LABELS), len(LABELS) + 1), np.int64)
    for trial in trials:
        for event, truth in trial.matches(threshold):
            if truth is not None:
                said = MISSED if event is None else LABELS.index(event.label)
                table[LABELS.index(truth.label), said] += 1
    return table


def at(table: CountTable, measure: Measure, threshold: float, digits: int = 2) -> str:
    """A measure at a threshold with its 95 % interval over people, as text."""
    one = CountTable(
        table.thresholds[[k := table.at(threshold)]], table.counts[:, [k]], table.minutes, table.people
    )
    value, (low, high) = float(measure(one)[0]), bootstrap(one, measure)[:, 0]
    if np.isnan(value):
        return "–"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def real_table(
    ways: Mapping[str, tuple[Sequence[Trial], Sequence[Trial]]], threshold: float, flow: str = FLOW
) -> str:
    """Way -> (trials as they are, trials with events injected) as Markdown."""
    lines = [
        "| shown to the spotter | recall of injected | unmatched/min, injected "
        "| events/min, nothing injected | right class | events |",
        "|---|---|---|---|---|---|",
    ]
    for way, (plain, injected) in ways.items():
        calm, busy = count_trials(plain, THRESHOLDS), count_trials(injected, THRESHOLDS)
        chosen = threshold_for(busy, FLOW_RATE) if way == flow else threshold
        lines.append(
            f"| {way} | {at(busy, recall, chosen)} | {at(busy, alarms, chosen)} | {at(calm, alarms, chosen)} "
            f"| {at(busy, right_class, chosen)} | {sum(len(t.truth) for t in injected)} |"
        )
    return "\n".join(lines)


def clip_table(rows: Mapping[str, Sequence[Trial]], threshold: float) -> str:
    """Name -> trials of clips with exact truth, as Markdown."""
    lines = [
        "| clips | minutes | events | F1 | recall | precision | UF1 of the five classes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, trials in rows.items():
        if not trials:
            continue
        table = count_trials(trials, THRESHOLDS)
        three = " | ".join(at(table, measure, threshold) for measure in (f1, recall, precision))
        lines.append(
            f"| {name} | {sum(t.minutes for t in trials):.1f} | {sum(len(t.truth) for t in trials)} "
            f"| {three} | {uf1(confusion_of(trials, threshold)[:, :MISSED]):.2f} |"
        )
    return "\n".join(lines)


def curve_row(trials: Sequence[Trial], threshold: float) -> str:
    """Best recall at each of ``FAR_RATES``, then F1, recall and false alarms at a threshold: three cells."""
    table = count_trials(trials, THRESHOLDS)
    found, few = recall(table), alarms(table)
    best = (np.max(found[few <= rate], initial=0.0) for rate in FAR_RATES)
    three = " | ".join(at(table, measure, threshold) for measure in (f1, recall, alarms))
    return f"{' / '.join(f'{r:.2f}' for r in best)} | {three}"


def difference(
    one: Sequence[Trial], other: Sequence[Trial], measure: Measure, threshold: float, rounds: int = 2000
) -> tuple[float, float, float]:
    """``one`` minus ``other`` with a 95 % interval when people are drawn anew for both at once.

    Args:
        one: trials of some videos.
        other: trials of the same videos in the same order.
        measure: what is compared.
        threshold: of both.
        rounds: draws.
    """
    tables = [count_trials(t, np.array([threshold])) for t in (one, other)]
    if tables[0].people != tables[1].people:
        raise ValueError("a paired difference needs the same videos in the same order")
    names = sorted(set(tables[0].people))
    rows = {n: [i for i, p in enumerate(tables[0].people) if p == n] for n in names}
    rng, found = np.random.default_rng(0), []
    for _ in range(rounds):
        index = [i for n in rng.integers(len(names), size=len(names)) for i in rows[names[n]]]
        a, b = (measure(t.select(index))[0] for t in tables)
        found.append(a - b)
    low, high = np.nanpercentile(found, (2.5, 97.5))
    whole: ArrayF64 = measure(tables[0]) - measure(tables[1])
    return float(whole[0]), float(low), float(high)
