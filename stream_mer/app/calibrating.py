"""Fits what turns a classifier's scores into decisions: reading, operating points, which vetoes pay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.trial import Trial, count_trials, with_vetoes
from stream_mer.core.decision import FLOOR
from stream_mer.core.operating import THRESHOLDS, alarms, bootstrap, recall, threshold_for
from stream_mer.core.protocol import Estimate
from stream_mer.core.protocol import bootstrap as over_people
from stream_mer.core.reading import Reading
from stream_mer.core.reliability import BINS, calibration_error
from stream_mer.core.vetoes import DEFAULT, VETOES
from stream_mer.errors import ConfigError
from stream_mer.runtime.calibration import OperatingPoint, ScoreCalibration
from stream_mer.types import ArrayF64, Event

RATES = (0.5, 1.0, 1.5, 2.0, 5.0, 10.0)
"""False alarms a minute whose thresholds are kept."""
TEMPERATURES = np.exp(np.linspace(np.log(0.1), np.log(5.0), 158))
_NEWTON_STEPS = 30


def stated(trials: Sequence[Trial]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """``(N, 6)`` probabilities of all candidates, labels then none, and whether each was a true event."""
    found = list(_candidates(trials))
    return _table(event for _, event, _ in found), np.array([true for *_, true in found], bool)


def _table(events: Iterable[Event]) -> NDArray[np.float64]:
    rows = [(*event.probabilities, max(1e-9, 1 - event.probability)) for event in events]
    return np.array(rows, np.float64).reshape(-1, 6)


def _candidates(trials: Sequence[Trial]) -> Iterator[tuple[str, Event, bool]]:
    """Every candidate: in whose face, what was said, whether it was true."""
    for trial in trials:
        for event, truth in trial.matches(FLOOR):
            if event is not None:
                yield trial.person, event, truth is not None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far stated probabilities lie from what came true (expected calibration error), over people.

    ``shipped``: of the candidates that the reading was fitted on. ``left_out``: of everybody read by what
    the others' candidates would have given, which is what somebody new may expect.
    """

    candidates: int
    shipped: Estimate
    left_out: Estimate


def reliability(trials: Sequence[Trial]) -> Reliability:
    """The expected calibration errors of the candidates that no veto stopped."""
    found = list(_candidates(trials))
    if not found:
        nothing = Estimate(float("nan"), float("nan"), float("nan"))
        return Reliability(0, nothing, nothing)
    people = [person for person, *_ in found]
    probabilities, true = _table((event for _, event, _ in found)), np.array([t for *_, t in found], bool)
    others = np.empty_like(probabilities)
    for person in set(people):
        his = np.array([p == person for p in people])
        reading = fit_reading(probabilities[~his], true[~his])
        others[his] = reading.probabilities(np.log(np.maximum(probabilities[his], 1e-9)))

    def error(stated: NDArray[np.float64]) -> Estimate:
        return over_people(lambda i: calibration_error(1 - stated[i, -1], true[i]), people)

    return Reliability(len(found), error(probabilities), error(others))


def describe_reliability(ways: Mapping[str, Sequence[Trial]]) -> str:
    """The expected calibration errors of each way, as Markdown."""
    lines = [
        "| faces | candidates | expected calibration error | read by what the others give |",
        "|---" * 4 + "|",
    ]
    for way, trials in ways.items():
        judged = reliability(trials)
        lines.append(f"| {way} | {judged.candidates} | {judged.shipped} | {judged.left_out} |")
    return "\n".join([*lines, "", f"{BINS} bins of equally many candidates; 95 % over people."])


def fit_reading(probabilities: NDArray[np.float64], true: NDArray[np.bool_]) -> Reading:
    """What to read probabilities by so that candidates are true as often as they say (least log loss).

    Args:
        probabilities: ``(N, C)`` as stated, 'none' last.
        true: ``(N,)`` whether the candidate was an event, of whatever class.

    Returns:
        To be applied to the logarithms of ``probabilities``, or after the reading that gave them
        (``Reading.then``); no change where everything or nothing was true.
    """
    if not true.any() or true.all():
        return Reading()
    odds = np.log(np.maximum(probabilities, 1e-9))
    found: list[tuple[float, Reading]] = []
    for temperature in TEMPERATURES:
        heated = odds / temperature
        event = np.log(np.exp(heated[:, :-1]).sum(1)) - heated[:, -1]
        bias = _bias(event, true)
        loss = float(np.mean(np.logaddexp(0, np.where(true, bias - event, event - bias))))
        found.append((loss, Reading(float(temperature), bias)))
    return min(found, key=lambda pair: pair[0])[1]


def _bias(log_odds: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """What to take off the log odds so that as many events are announced as there are: least log loss."""
    bias = 0.0
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(np.clip(bias - log_odds, -50, 50)))
        bias += float(np.clip((p - true).sum() / max(float((p * (1 - p)).sum()), 1e-9), -2, 2))
    return bias


def operating_points(
    videos: Sequence[Trial], clips: Sequence[Trial] = (), rates: Sequence[float] = RATES
) -> tuple[OperatingPoint, ...]:
    """Thresholds that give so many unmatched events a minute, each once, strictest first.

    Args:
        videos: trials of real video; the recall said is that of the events in these.
        clips: trials of synthetic clips, whose false alarms and minutes count as well: real video that may
            be tuned on shows six people only, clips show many more and all that must not be flagged.
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


def calibration_text(sha256: str, calibration: ScoreCalibration, judged: Reliability | None = None) -> str:
    """The TOML file of a calibration without second look; ``judged`` is what ``reliability`` gave."""
    reading = calibration.reading
    head = [
        "# How the scores of this classifier are to be read; belongs to one network file.",
        "# Made by scripts/calibrate_score.py on the tuning half of videos.toml and on clips.",
        f'engine_sha256 = "{sha256}"',
        f"temperature = {reading.temperature:.4f}",
        f"none_bias = {reading.none_bias:.4f}  # added to the logit of 'none', after the temperature",
        f"usual_share = {calibration.usual_share:g}",
        f"resting = {calibration.resting:.2f}  # log odds, read this way, of a face that rests",
        f"threshold = {calibration.threshold:.5f}",
    ]
    if judged is not None and judged.candidates:
        error, other = judged.shipped, judged.left_out
        head += ["", "[expected_calibration_error]  # candidates of the tuning videos; interval over people"]
        head += [f"value = {error.value:.4f}", f"interval = [{error.low:.4f}, {error.high:.4f}]"]
        head += [f"left_out = {other.value:.4f}  # everybody read by what the others' candidates give"]
        head += [f"left_out_interval = [{other.low:.4f}, {other.high:.4f}]"]
        head += [f"bins = {BINS}  # of equally many candidates", f"candidates = {judged.candidates}"]
    for p in calibration.points:
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
