"""The whole course of a clip before one pixel is drawn: a value per frame for everything that moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.synth.fields import FieldStyle, draw_style
from stream_mer.synth.motion import HeadPath, draw_head_path
from stream_mer.synth.pulse import Pulse, Version, draw_pulse
from stream_mer.synth.schedule import draw_distractors, draw_events
from stream_mer.synth.spec import ClipSpec, Distractor, DistractorSpec, TrueEvent
from stream_mer.types import ArrayF64

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Movement:
    """A set of action units and how far it is pulled at each frame: ``(T,)`` face widths."""

    units: tuple[str, ...]
    style: FieldStyle
    heights: ArrayF64


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Everything that ``render`` needs to draw the frames of one clip.

    ``pts_ns`` are the times of the frames that exist; ``repeats[i]`` marks a frame that shows the
    picture before it again. ``closure`` 0..1 of both eyes, ``gaze`` ``(T, 2)`` eye widths,
    ``mouth`` 0..1 opening, ``gain`` brightness, each at the frames.
    """

    spec: ClipSpec
    seed: int
    pts_ns: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    head: HeadPath
    movements: tuple[Movement, ...]
    closure: ArrayF64
    gaze: ArrayF64
    mouth: ArrayF64
    gain: ArrayF64
    events: tuple[TrueEvent, ...]
    distractors: tuple[Distractor, ...]


def stream(seed: int, purpose: int, version: Version) -> np.random.Generator:
    """Independent randomness for one purpose, so that changing one part of a clip leaves the others.

    The versions share no random number either: a test clip is never a training clip in other clothes.
    """
    return np.random.default_rng([seed, purpose, int(version == "test")])


def plan_clip(spec: ClipSpec, seed: int, smile: ArrayF64 | None = None) -> ClipPlan:
    """Decide everything that happens in a clip; the same spec and seed give the same plan.

    Args:
        spec: what the clip should contain.
        seed: non-negative.
        smile: how a real face smiled (``measured.py``): smiles, small and large, move so.
    """
    pts_ns, repeats = _frame_times(stream(seed, 0, spec.version), spec)
    person = draw_style(stream(seed, 1, spec.version), spec.version, smile=smile)
    wanted = draw_distractors(stream(seed, 2, spec.version), spec)
    events: list[TrueEvent] = []
    movements: list[Movement] = []
    rng = stream(seed, 3, spec.version)
    for event in draw_events(rng, spec, wanted):
        onset_ns = round(event.onset_s * _NS)
        offset_ns = onset_ns + round(event.duration_s * _NS)
        pulse = draw_pulse(rng, onset_ns, offset_ns, spec.version)
        if event.apex_share is not None:
            apex_ns = onset_ns + round(event.apex_share * (offset_ns - onset_ns))
            pulse = Pulse(pulse.shape, onset_ns, apex_ns, offset_ns, pulse.hold)
        events.append(
            TrueEvent(onset_ns, pulse.apex_ns, offset_ns, event.label, event.action_units, event.peak)
        )
        movements.append(Movement(event.action_units, person, event.peak * pulse.heights(pts_ns)))
    times_s = pts_ns / _NS
    rng = stream(seed, 4, spec.version)
    closure, mouth = np.zeros(len(pts_ns)), np.zeros(len(pts_ns))
    gaze, gain = np.zeros((len(pts_ns), 2)), _light(rng, times_s, spec)
    for one in wanted:
        if one.kind == "blink":
            closure = np.maximum(closure, one.size * _blink(rng, one, times_s))
        elif one.kind == "gaze":
            angle = rng.normal(0.0, 0.35) + np.pi * rng.integers(2)
            gaze += (one.size * np.array([np.cos(angle), 0.6 * np.sin(angle)])) * _plateau(
                one, times_s, 0.04
            )[:, None]
        elif one.kind == "light":
            gain *= 1.0 + one.size * float(rng.choice([-1.0, 1.0])) * _plateau(
                one, times_s, 0.3 * one.duration_s
            )
        elif one.kind == "macro":
            ramp = float(rng.uniform(0.3, 0.45)) * one.duration_s
            movements.append(
                Movement(one.action_units, person, one.size * _plateau(one, times_s, min(ramp, 0.8)))
            )
        elif one.kind == "swallow":
            movements.append(
                Movement(("swallow",), person, one.size * np.sin(np.pi * _way(one, times_s)) ** 2)
            )
        else:
            spoken, opening = _speech(rng, one, times_s, person)
            movements += spoken
            mouth = np.maximum(mouth, opening)
    return ClipPlan(
        spec,
        seed,
        pts_ns,
        repeats,
        draw_head_path(stream(seed, 5, spec.version), times_s, spec.head_speed, spec.version),
        tuple(movements),
        closure,
        gaze,
        mouth,
        gain,
        tuple(events),
        tuple(
            Distractor(
                d.kind,
                round(d.onset_s * _NS),
                round((d.onset_s + d.duration_s) * _NS),
                d.size,
                d.action_units,
            )
            for d in wanted
        ),
    )


def _frame_times(rng: np.random.Generator, spec: ClipSpec) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    count = int(np.floor(spec.duration_s * spec.fps + 1e-9))
    pts_ns = np.rint(np.arange(count) * (_NS / spec.fps)).astype(np.int64)
    fate = rng.random(count)
    kept = fate >= spec.drop_rate
    repeats = (fate < spec.drop_rate + spec.repeat_rate) & kept
    kept[:1], repeats[:1] = True, False
    return pts_ns[kept], repeats[kept]


def _way(one: DistractorSpec, times_s: ArrayF64) -> ArrayF64:
    """0 before, 0..1 during, 0 again after the distractor."""
    way = (times_s - one.onset_s) / one.duration_s
    return np.where((way > 0) & (way < 1), way, 0.0)


def _plateau(one: DistractorSpec, times_s: ArrayF64, ramp_s: float) -> ArrayF64:
    """Rises within ``ramp_s``, stays, falls within ``ramp_s``; smooth."""
    ramp_s = min(ramp_s, 0.5 * one.duration_s)
    edge = np.minimum(times_s - one.onset_s, one.onset_s + one.duration_s - times_s) / ramp_s
    way = np.clip(edge, 0.0, 1.0)
    out: ArrayF64 = way * way * (3.0 - 2.0 * way)
    return out


def _blink(rng: np.random.Generator, one: DistractorSpec, times_s: ArrayF64) -> ArrayF64:
    """Closes in about a third of its time and opens in the rest (VanderWerf 2003)."""
    shut, hold = float(rng.uniform(0.28, 0.4)), float(rng.uniform(0.0, 0.12))
    way = _way(one, times_s)
    rise, fall = np.clip(way / shut, 0, 1), np.clip((1.0 - way) / (1.0 - shut - hold), 0, 1)
    edge = np.where(way > 0, np.minimum(rise, fall), 0.0)
    out: ArrayF64 = edge * edge * (3.0 - 2.0 * edge)
    return out


def _light(rng: np.random.Generator, times_s: ArrayF64, spec: ClipSpec) -> ArrayF64:
    """Slow drift of the brightness plus the beat of mains light against the shutter."""
    drift = np.sin(2 * np.pi * rng.uniform(0.03, 0.2) * times_s + rng.uniform(0, 2 * np.pi))
    beat = np.sin(2 * np.pi * rng.uniform(0.5, 12.0) * times_s + rng.uniform(0, 2 * np.pi))
    out: ArrayF64 = 1.0 + spec.gain_drift * drift + spec.flicker * beat
    return out


def _speech(
    rng: np.random.Generator, one: DistractorSpec, times_s: ArrayF64, style: FieldStyle
) -> tuple[list[Movement], ArrayF64]:
    """Three to six syllables a second, each opening the jaw and widening or narrowing the mouth."""
    jaw, spread, pucker = (np.zeros_like(times_s) for _ in range(3))
    now = one.onset_s
    while True:
        length = float(rng.uniform(0.16, 0.34))
        if now + length > one.onset_s + one.duration_s:
            break
        way = np.clip((times_s - now) / length, 0.0, 1.0)
        hump = np.sin(np.pi * way) ** 2
        jaw += float(rng.uniform(0.2, 1.0)) * hump
        if rng.random() < 0.5:
            spread += float(rng.uniform(0.1, 0.5)) * hump
        else:
            pucker += float(rng.uniform(0.1, 0.6)) * hump
        now += length * float(rng.uniform(0.7, 1.1))
    moves = [Movement(("jaw",), style, one.size * jaw)]
    moves += [
        Movement(("spread",), style, one.size * spread),
        Movement(("pucker",), style, one.size * pucker),
    ]
    return moves, np.clip(jaw, 0.0, 1.0) * min(1.0, one.size / 0.04)
