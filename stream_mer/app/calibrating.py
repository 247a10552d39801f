"""Fits what turns a classifier's scores into decisions: temperature, operating points, which vetoes pay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.trial import Trial, count_trials, with_vetoes
from stream_mer.core.decision import FLOOR
from stream_mer.core.operating import THRESHOLDS, alarms, bootstrap, recall, threshold_for
from stream_mer.core.protocol import Estimate
from stream_mer.core.protocol import bootstrap as over_people
from stream_mer.core.reliability import BINS, calibration_error
from stream_mer.core.vetoes import DEFAULT, VETOES
from stream_mer.errors import ConfigError
from stream_mer.runtime.calibration import OperatingPoint
from stream_mer.types import ArrayF64, Event

RATES = (0.5, 1.0, 1.5, 2.0, 5.0, 10.0)
"""False alarms a minute whose thresholds are kept."""
TEMPERATURES = np.exp(np.linspace(np.log(0.1), np.log(5.0), 158))


def stated(trials: Sequence[Trial]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """``(N, 6)`` probabilities of all candidates, labels then none, and whether each was a true event."""
    found = list(_candidates(trials))
    rows = [(*event.probabilities, max(1e-9, 1 - event.probability)) for _, event, _ in found]
    return np.array(rows, np.float64).reshape(-1, 6), np.array([true for *_, true in found], bool)


def _candidates(trials: Sequence[Trial]) -> Iterator[tuple[str, Event, bool]]:
    """Every candidate: in whose face, what was said, whether it was true."""
    for trial in trials:
        for event, truth in trial.matches(FLOOR):
            if event is not None:
                yield trial.person, event, truth is not None


def reliability(trials: Sequence[Trial]) -> tuple[Estimate, int]:
    """The expected calibration error of the candidates that no veto stopped, and how many these are.

    Its 95 % interval is that of drawing people anew.
    """
    found = list(_candidates(trials))
    stated = np.array([event.probability for _, event, _ in found])
    true = np.array([true for *_, true in found], bool)
    if not len(stated):
        return Estimate(float("nan"), float("nan"), float("nan")), 0
    people = [person for person, *_ in found]
    return over_people(lambda i: calibration_error(stated[i], true[i]), people), len(stated)


def describe_reliability(ways: Mapping[str, Sequence[Trial]]) -> str:
    """The expected calibration error of each way, as Markdown."""
    lines = ["| faces | candidates | expected calibration error |", "|---|---|---|"]
    for way, trials in ways.items():
        error, count = reliability(trials)
        lines.append(f"| {way} | {count} | {error} |")
    return "\n".join([*lines, "", f"{BINS} bins of equally many candidates; 95 % over people."])


def fit_temperature(probabilities: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """What to divide the logits by so that candidates are true as often as they say (least log loss).

    Args:
        probabilities: ``(N, 6)`` at temperature 1.
        true: ``(N,)`` whether the candidate was an event.
    """
    if not true.any() or true.all():
        return 1.0
    odds = np.log(np.maximum(probabilities, 1e-9))
    losses = []
    for temperature in TEMPERATURES:
        heated = np.exp(odds / temperature)
        p = np.clip(1 - heated[:, 5] / heated.sum(1), 1e-6, 1 - 1e-6)
        losses.append(-np.mean(np.where(true, np.log(p), np.log(1 - p))))
    return float(TEMPERATURES[int(np.argmin(losses))])


def operating_points(
    videos: Sequence[Trial], clips: Sequence[Trial] = (), rates: Sequence[float] = RATES
) -> tuple[OperatingPoint, ...]:
    """Thresholds that give so many unmatched events a minute, each once, strictest first.

    Args:
        videos: trials of real video; the recall said is that of the events in these.
        clips: trials of synthetic clips, whose false alarms and minutes count as well: real video that may
            be tuned on shows three people only, clips show many more and all that must not be flagged.
        rates: unmatched events a minute; those that even the strictest threshold exceeds are left out.

    Raises:
        ConfigError: none of the rates can be kept.
    """
    table, real = count_trials([*videos, *clips], THRESHOLDS), count_trials(videos, THRESHOLDS)
    points: list[OperatingPoint] = []
    for rate in sorted(rates):
        threshold = threshold_for(table, rate)
        if alarms(table)[table.at(threshold)] > rate or (points and threshold >= points[-1].threshold):
            continue
        found = float(recall(real)[real.at(threshold)])
        points.append(OperatingPoint(round(threshold, 5), rate, round(found, 4)))
    if not points:
        raise ConfigError(
            f"no threshold keeps the false alarms to {max(rates):g} a minute.\n"
            "The classifier is not fit to be calibrated, or the rates asked for are too low."
        )
    return tuple(points)


def veto_table(events: Sequence[Trial], quiet: Sequence[Trial], threshold: float) -> str:
    """What each veto alone takes away: true events, false alarms beside them, alarms in eventless clips.

    Args:
        events: trials with truth.
        quiet: trials of clips that hold nothing but what must not be flagged.
        threshold: probability of a candidate.
    """
    lines = [
        f"| veto (p >= {threshold:.2f}) | true events lost | alarms beside them removed "
        "| alarms in eventless clips removed | pays |",
        "|---|---|---|---|---|",
    ]
    base, calm = _counts(events, threshold, ()), _counts(quiet, threshold, ())
    for name in VETOES:
        one, two = _counts(events, threshold, (name,)), _counts(quiet, threshold, (name,))
        lost, removed, spared = base[0] - one[0], base[1] - one[1], calm[1] - two[1]
        pays = "yes" if removed + spared > lost else "no"
        lines.append(
            f"| {name} | {lost} of {base[0]} | {removed} of {base[1]} | {spared} of {calm[1]} | {pays} |"
        )
    one, two = _counts(events, threshold, DEFAULT), _counts(quiet, threshold, DEFAULT)
    lines.append(
        f"| *shipped:* {', '.join(DEFAULT)} | {base[0] - one[0]} of {base[0]} "
        f"| {base[1] - one[1]} of {base[1]} | {calm[1] - two[1]} of {calm[1]} | |"
    )
    return "\n".join(lines)


def describe_points(videos: Sequence[Trial], clips: Sequence[Trial], points: Sequence[OperatingPoint]) -> str:
    """The operating points on both kinds of material with intervals over people, as Markdown."""
    tables = [count_trials(trials, THRESHOLDS) for trials in (videos, clips)]
    lines = [
        "| threshold | --far | video: unmatched/min | video: recall | clips: unmatched/min | clips: recall |",
        "|---|---|---|---|---|---|",
    ]
    bands = [(t, bootstrap(t, alarms), bootstrap(t, recall)) for t in tables]
    for point in points:
        cells = [f"{point.threshold:.4f}", f"{point.far_per_minute:g}"]
        for table, few, found in bands:
            k = table.at(point.threshold)
            for value, band in ((alarms(table)[k], few), (recall(table)[k], found)):
                cells.append(f"{value:.2f} [{band[0, k]:.2f}, {band[1, k]:.2f}]")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def calibration_text(
    sha256: str,
    temperature: float,
    usual_share: float,
    threshold: float,
    points: Sequence[OperatingPoint],
    judged: tuple[Estimate, int] | None = None,
) -> str:
    """The TOML file of a calibration; ``judged`` is what ``reliability`` gave."""
    head = [
        "# How the scores of this classifier are to be read; belongs to one network file.",
        "# Made by scripts/calibrate_score.py on the tuning half of videos.toml and on clips.",
        f'engine_sha256 = "{sha256}"',
        f"temperature = {temperature:.4f}",
        f"usual_share = {usual_share:g}",
        f"threshold = {threshold:.5f}",
    ]
    if judged is not None and judged[1]:
        error, count = judged
        head += ["", "[expected_calibration_error]  # candidates of the tuning videos; interval over people"]
        head += [f"value = {error.value:.4f}", f"interval = [{error.low:.4f}, {error.high:.4f}]"]
        head += [f"bins = {BINS}  # of equally many candidates", f"candidates = {count}"]
    for p in points:
        head += ["", "[[operating_point]]", f"threshold = {p.threshold:.5f}"]
        head += [f"far_per_minute = {p.far_per_minute:.3f}", f"recall = {p.recall:.4f}"]
    return "\n".join(head) + "\n"


def _counts(trials: Sequence[Trial], threshold: float, active: Sequence[str]) -> tuple[int, int]:
    rows = [t.count(threshold) for t in with_vetoes(trials, active)]
    return sum(r[0] for r in rows), sum(r[1] for r in rows)


def event_probabilities(trials: Sequence[Trial]) -> tuple[ArrayF64, NDArray[np.bool_]]:
    """Stated probability and truth of every candidate that no veto stopped."""
    probabilities, true = stated(trials)
    return 1 - probabilities[:, 5], true


def unvetoed(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with every veto off."""
    return [replace(t, vetoes=()) for t in trials]
