"""When what happens in a clip: events and distractors drawn at their rates, without collisions.

A micro-expression during a blink, speech, swallowing or a macro-expression could not be told from
it, so drawn events keep clear of those; gaze shifts, light and head motion may coincide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_mer.synth.action_units import CLASS_ACTION_UNITS, UNILATERAL
from stream_mer.synth.spec import ClipSpec, DistractorSpec, EventSpec
from stream_mer.types import LABELS

BLOCKING = ("blink", "speech", "swallow", "macro")
"""Distractors that no drawn event may touch."""
GUARD_S = 0.12
"""Time kept free between an event and a blocking distractor or another event, s."""
LID_PEAK = 0.012
"""Largest peak of a set that moves nothing but lids, face widths: an eye is only 0.05 high."""

_DURATIONS_S = {
    "blink": (0.1, 0.3),
    "gaze": (0.25, 2.0),
    "speech": (0.6, 4.0),
    "swallow": (0.4, 0.9),
    "macro": (0.5, 4.0),
    "light": (0.08, 0.6),
}
_SIZES = {
    "blink": (0.85, 1.0),
    "gaze": (0.06, 0.2),
    "speech": (0.02, 0.05),
    "swallow": (0.006, 0.015),
    "macro": (0.015, 0.06),
    "light": (0.01, 0.06),
}


def draw_distractors(rng: np.random.Generator, spec: ClipSpec) -> tuple[DistractorSpec, ...]:
    """The clip's distractors in time order: those of the spec, or drawn ones.

    Two of the same kind never overlap, nor do two blocking ones; none touches an explicit event.
    """
    if spec.distractors is not None:
        return tuple(sorted(spec.distractors, key=lambda d: d.onset_s))
    taken = [(e.onset_s, e.onset_s + e.duration_s) for e in spec.events or ()]
    found: list[DistractorSpec] = []
    for kind in ("macro", "speech", "swallow", "blink", "gaze", "light"):
        rate = float(getattr(spec.rates, kind))
        busy = taken if kind in BLOCKING else []
        for onset, length in _places(rng, spec.duration_s, rate, _DURATIONS_S[kind], busy):
            units: tuple[str, ...] = ()
            if kind == "macro":
                sets = CLASS_ACTION_UNITS[str(rng.choice(list(CLASS_ACTION_UNITS)))]
                units = sets[int(rng.integers(len(sets)))]
            found.append(DistractorSpec(kind, onset, length, float(rng.uniform(*_SIZES[kind])), units))
            if kind in BLOCKING:
                taken.append((onset, onset + length))
    return tuple(sorted(found, key=lambda d: d.onset_s))


def draw_events(
    rng: np.random.Generator, spec: ClipSpec, distractors: tuple[DistractorSpec, ...]
) -> tuple[EventSpec, ...]:
    """The clip's events in time order: those of the spec, or drawn ones clear of distractors."""
    if spec.events is not None:
        return tuple(sorted(spec.events, key=lambda e: e.onset_s))
    busy = [(d.onset_s, d.onset_s + d.duration_s) for d in distractors if d.kind in BLOCKING]
    return scattered_events(
        rng,
        spec.duration_s,
        spec.event_rate,
        durations_s=spec.event_durations_s,
        peaks=spec.event_peaks,
        labels=spec.labels,
        busy_s=busy,
        one_sided=spec.one_sided,
    )


def scattered_events(
    rng: np.random.Generator,
    duration_s: float,
    rate: float,
    *,
    durations_s: tuple[float, float],
    peaks: tuple[float, float],
    labels: Sequence[str] = LABELS,
    busy_s: Sequence[tuple[float, float]] = (),
    one_sided: float = 0.0,
) -> tuple[EventSpec, ...]:
    """Random events in time order, anywhere in ``duration_s`` of however long a video.

    Args:
        rng: source of randomness.
        duration_s: length of the video, s; one too short for an event gets none.
        rate: events a minute.
        durations_s: shortest and longest event, s (log-uniform).
        peaks: smallest and largest displacement, face widths (log-uniform).
        labels: classes drawn from.
        busy_s: stretches to keep clear of, (start, end) in s.
        one_sided: share 0..1 of the events that happen on one side only, where all their units can.
    """
    events = []
    for onset, length in _places(rng, duration_s, rate, durations_s, list(busy_s)):
        label = str(rng.choice(labels))
        sets = CLASS_ACTION_UNITS[label]
        units = sets[int(rng.integers(len(sets)))]
        low, high = np.log(peaks[0]), np.log(peaks[1])
        peak = float(np.exp(rng.uniform(low, high)))
        if units == ("7",):
            peak = min(peak, LID_PEAK)
        if one_sided > 0 and set(units) <= set(UNILATERAL) and rng.random() < one_sided:
            side = str(rng.choice(("L", "R")))
            units = tuple(side + unit for unit in units)
        events.append(EventSpec(onset, length, label, units, peak))
    return tuple(sorted(events, key=lambda e: e.onset_s))


def _places(
    rng: np.random.Generator,
    duration_s: float,
    rate: float,
    lengths_s: tuple[float, float],
    busy: list[tuple[float, float]],
) -> list[tuple[float, float]]:
    """About ``rate`` intervals a minute (Poisson) that keep ``GUARD_S`` from ``busy`` and each other."""
    taken = list(busy)
    places = []
    for _ in range(int(rng.poisson(rate * duration_s / 60.0))):
        for _ in range(20):
            length = float(np.exp(rng.uniform(np.log(lengths_s[0]), np.log(lengths_s[1]))))
            room = duration_s - length - 2 * GUARD_S
            if room <= 0:
                continue
            onset = GUARD_S + float(rng.uniform(0.0, room))
            if all(onset + length + GUARD_S <= a or onset - GUARD_S >= b for a, b in taken):
                taken.append((onset, onset + length))
                places.append((onset, length))
                break
    return places
