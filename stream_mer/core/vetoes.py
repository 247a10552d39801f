"""Turns candidates down that something other than a micro-expression explains, and says what.

A veto is a limit on what ``signals`` measured. Which of them are on by default was decided by measurement
on the tuning videos and clips: see ``DEFAULT``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from stream_mer.core.signals import Signals

DEFAULT: tuple[str, ...] = ("gap", "edge", "light")
"""Vetoes that are on unless asked otherwise: ``gap``, which on clips and on tuning videos of people left out
took away 33 of 378 candidates of p >= 0.3 that were no event and 7 of 262 that were, and two that took away
six false ones and no true one. One on head motion would cost ten true ones for one, one on speech 35
for 34 (``scripts/calibrate_score.py`` prints the table)."""


@dataclass(frozen=True, slots=True)
class VetoLimits:
    """Where each veto begins; changes are mean squares of grey levels; the eyes lie 40 px apart.

    Args:
        blink_eyes: the eyes changed by more than this ...
        blink_ratio: ... and so many times more than brows, mouth or skin.
        head_speed: canonical px a second.
        head_swing: canonical px that the head was displaced at the apex.
        speech_turns: mouth movements a second in the time before ...
        speech_chatter: ... as strong as this share of the event's own.
        cut_likeness: correlation of the skin before with that at the apex or after it.
        gap_factor: distance between two frames over the usual one.
        frozen: share of the event's steps in which nothing moved. When motion stands still and catches up,
            slow motion looks fast: of candidates of p >= 0.9 on videos of people left out (whose injections
            the videos of a seed still shared), 14 of 21 false
            ones (all of one webcam) and 3 of 102 true ones had more than this.
        light_share: share of the skin's change that brightness explains ...
        light_flash: ... when the brightness changed by this share.
        outside: share of the crop beyond the frame's border.
        lost_s: the face was seen last so long before the decision.
        lost_quality: correlation with the key frame.
    """

    blink_eyes: float = 60.0
    blink_ratio: float = 4.0
    head_speed: float = 120.0
    head_swing: float = 2.5
    speech_turns: float = 2.5
    speech_chatter: float = 0.6
    cut_likeness: float = 0.4
    gap_factor: float = 1.75
    frozen: float = 0.3
    light_share: float = 0.9
    light_flash: float = 0.02
    outside: float = 0.12
    lost_s: float = 0.06
    lost_quality: float = 0.75


Veto = Callable[[Signals, VetoLimits], "str | None"]


def _blink(s: Signals, limits: VetoLimits) -> str | None:
    rest = max(s.brows, s.mouth, s.skin, 1e-6)
    if s.eyes > limits.blink_eyes and s.eyes > limits.blink_ratio * rest:
        return (
            f"the eyes changed {s.eyes / rest:.1f} times as much as the rest (limit {limits.blink_ratio:g})"
        )
    return None


def _head(s: Signals, limits: VetoLimits) -> str | None:
    if s.speed > limits.head_speed:
        return f"the head moved at {s.speed:.0f} px a second (limit {limits.head_speed:g})"
    if s.swing > limits.head_swing:
        return f"the head swung by {s.swing:.1f} px (limit {limits.head_swing:g})"
    return None


def _speech(s: Signals, limits: VetoLimits) -> str | None:
    in_the_mouth = s.mouth > max(s.eyes, s.brows)
    if in_the_mouth and s.turns >= limits.speech_turns and s.chatter > limits.speech_chatter:
        return f"the mouth moved {s.turns:.1f} times a second before, {s.chatter:.1f} times as strongly"
    return None


def _cut(s: Signals, limits: VetoLimits) -> str | None:
    if s.likeness < limits.cut_likeness:
        return f"the faces correlate by {s.likeness:.2f} only (limit {limits.cut_likeness:g})"
    return None


def _gap(s: Signals, limits: VetoLimits) -> str | None:
    if s.gap > limits.gap_factor:
        return f"a frame came {s.gap:.1f} times later than usual (limit {limits.gap_factor:g})"
    if s.frozen > limits.frozen:
        return f"{s.frozen:.0%} of the event's frames repeat the one before (limit {limits.frozen:.0%})"
    return None


def _light(s: Signals, limits: VetoLimits) -> str | None:
    if s.lit > limits.light_share and s.flash > limits.light_flash:
        return f"brightness changed by {s.flash:.1%} and explains {s.lit:.0%} of the change"
    return None


def _edge(s: Signals, limits: VetoLimits) -> str | None:
    if s.outside > limits.outside:
        return f"{s.outside:.0%} of the face lies beyond the frame's border (limit {limits.outside:.0%})"
    return None


def _lost(s: Signals, limits: VetoLimits) -> str | None:
    if s.gone_s > limits.lost_s:
        return f"the face was lost {s.gone_s:.2f} s before the decision (limit {limits.lost_s:g})"
    if s.quality < limits.lost_quality:
        return f"the face was covered: correlation {s.quality:.2f} < {limits.lost_quality:g}"
    return None


VETOES: dict[str, Veto] = {
    "cut": _cut,
    "gap": _gap,
    "lost": _lost,
    "edge": _edge,
    "light": _light,
    "blink": _blink,
    "head motion": _head,
    "speech": _speech,
}
"""In the order in which they are asked: what spoils the pictures before what moves the face."""


def veto(signals: Signals, limits: VetoLimits, active: Collection[str] = DEFAULT) -> tuple[str, str] | None:
    """The first active veto that applies: its reason and what was measured; None lets the candidate pass."""
    for reason, rule in VETOES.items():
        if reason in active and (detail := rule(signals, limits)) is not None:
            return reason, detail
    return None
