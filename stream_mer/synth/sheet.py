"""A contact sheet of everything the generator can do to a face, to be looked at by a person.

A row each: every class's action-unit sets, the one-sided variants, and what must not be flagged. Left
the face at rest, then at the apex, then the difference (grey: no change).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stream_mer.synth.action_units import CLASS_ACTION_UNITS, UNILATERAL
from stream_mer.synth.dense import lettered
from stream_mer.synth.motion import HeadPath
from stream_mer.synth.plan import plan_clip
from stream_mer.synth.pulse import Version
from stream_mer.synth.render import Renderer
from stream_mer.synth.spec import ClipSpec, DistractorSpec, EventSpec
from stream_mer.types import ArrayF64, ImageU8

TILE_PX = 144
ACROSS = 4
"""Samples side by side."""
GAIN = 3
"""How many times the difference is enlarged."""
PEAK = 0.03
"""Peak displacement shown, face widths: the strongest that is drawn."""
FPS = 50.0
ONSET_S, LENGTH_S = 0.2, 0.2
TURN = 0.2
"""Yaw and pitch shown, radians."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: its words, and the clip in which it happens, largest at ``at_s``."""

    name: str
    spec: ClipSpec
    at_s: float


def samples(version: Version) -> Iterator[Sample]:
    """What a sheet shows, row by row."""
    middle = ONSET_S + LENGTH_S / 2
    for label, sets in CLASS_ACTION_UNITS.items():
        for units in sets:
            yield Sample(f"{label} {'+'.join(units)}", _spec(version, label, units), middle)
    for unit in UNILATERAL:
        for side in "LR":
            yield Sample(f"one side {side}{unit}", _spec(version, "others", (f"{side}{unit}",)), middle)
    for kind, length, size, at_s in (
        ("blink", 0.2, 1.0, ONSET_S + 0.08),
        ("gaze", 0.4, 0.2, 0.4),
        ("speech", 1.0, 0.05, 0.3),
        ("swallow", 0.5, 0.015, 0.45),
        ("light", 0.4, 0.06, 0.4),
    ):
        spec = _quiet(version, distractors=(DistractorSpec(kind, ONSET_S, length, size),))
        yield Sample(f"must not flag: {kind}", spec, at_s)
    macro = DistractorSpec("macro", ONSET_S, 1.0, 0.06, ("6", "12"))
    yield Sample("must not flag: macro", _quiet(version, distractors=(macro,)), 0.7)
    yield Sample("must not flag: noise", _quiet(version, distractors=(), noisy=True), middle)


def contact_sheet(portrait: ImageU8, mesh: ArrayF64, seed: int, version: Version = "train") -> ImageU8:
    """Draw the sheet of one person.

    Args:
        portrait: ``(H, W, 3)`` uint8 RGB.
        mesh: ``(468, 2 or 3)`` px.
        seed: person's style, as for clips.
        version: family of warps and pulses.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    rows = []
    for sample in samples(version):
        renderer = Renderer(portrait, mesh, plan_clip(sample.spec, seed))
        rest, there = (renderer.frame(round(t * FPS)).rgb for t in (0.0, sample.at_s))
        rows.append(_row(sample.name, rest, there))
    for name, yaw, pitch in (("yaw", TURN, 0.0), ("pitch", 0.0, TURN)):
        plan = plan_clip(_quiet(version, distractors=()), seed)
        still, zeros = Renderer(portrait, mesh, plan).frame(0).rgb, np.zeros(len(plan.pts_ns))
        head = HeadPath(np.zeros((len(zeros), 2)), zeros, zeros, zeros + yaw, zeros + pitch)
        turned = Renderer(portrait, mesh, replace(plan, head=head)).frame(0).rgb
        rows.append(_row(f"must not flag: {name}", still, turned))
    rows += [np.zeros_like(rows[0])] * (-len(rows) % ACROSS)
    deep = len(rows) // ACROSS
    columns = [np.concatenate(rows[i : i + deep]) for i in range(0, len(rows), deep)]
    return np.concatenate(columns, axis=1)


def _spec(version: Version, label: str, units: tuple[str, ...]) -> ClipSpec:
    event = EventSpec(ONSET_S, LENGTH_S, label, units, PEAK, apex_share=0.5)
    return _quiet(version, events=(event,), distractors=())


def _quiet(
    version: Version,
    *,
    events: tuple[EventSpec, ...] = (),
    distractors: tuple[DistractorSpec, ...],
    noisy: bool = False,
) -> ClipSpec:
    """A clip in which nothing happens but what is given, on a head that does not move."""
    return ClipSpec(
        duration_s=1.5,
        fps=FPS,
        width=TILE_PX,
        height=TILE_PX,
        face_px=0.6 * TILE_PX,
        events=events,
        distractors=distractors,
        head_speed=0.0,
        shot_noise=0.06 if noisy else 0.0,
        read_noise=2.5 if noisy else 0.0,
        flicker=0.0,
        gain_drift=0.0,
        version=version,
    )


def _row(name: str, rest: ImageU8, there: ImageU8) -> ImageU8:
    change = GAIN * (there.astype(np.int16) - rest.astype(np.int16)) + 128
    difference = np.clip(change, 0, 255).astype(np.uint8)
    return lettered(np.concatenate([rest, there, difference], axis=1), name)
