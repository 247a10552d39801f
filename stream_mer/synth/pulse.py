"""How a movement grows and fades: pulses that are exactly 0 outside [onset, offset) and 1 at the apex.

Training and test clips use different families of shapes, so that a network cannot score well on
test clips by having learnt one curve by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from stream_mer.types import ArrayF64

Version: TypeAlias = Literal["train", "test"]
"""Which parametrisation of the generator: the one that trains, or the one that tests."""

SHAPES: dict[Version, tuple[str, ...]] = {
    "train": ("raised-cosine", "gamma", "trapezoid"),
    "test": ("relaxing", "sharp", "stepped"),
}
"""Names of the pulse shapes of each version."""
STEP_PLACE, STEP_REST = 0.35, 0.25
"""A stepped pulse pauses after this share of its way, for this share of it."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One movement in time: rises over ``[onset, apex]``, falls over ``[apex, offset)``.

    ``hold`` is the fraction of the way up (and down) after which a trapezoid stays at 1, and sets how high a
    stepped pulse pauses; other shapes ignore it.
    """

    shape: str
    onset_ns: int
    apex_ns: int
    offset_ns: int
    hold: float = 0.3

    def __post_init__(self) -> None:
        if not self.onset_ns < self.apex_ns < self.offset_ns:
            raise ValueError(
                f"a pulse needs onset < apex < offset, got {self.onset_ns, self.apex_ns, self.offset_ns}"
            )
        if self.shape not in SHAPES["train"] + SHAPES["test"]:
            raise ValueError(f"unknown pulse shape {self.shape!r}")
        if not 0 <= self.hold < 1:
            raise ValueError(f"hold must be in [0, 1), got {self.hold}")

    def at(self, t_ns: int) -> float:
        """Height at one time, 0..1."""
        return float(self.heights(np.array([t_ns], np.int64))[0])

    def heights(self, times_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ArrayF64:
        """Height at each of ``(T,)`` int64 times; ``(T,)`` in 0..1, exactly 0 outside the interval."""
        t = np.asarray(times_ns, np.int64)
        rise = (t - self.onset_ns) / (self.apex_ns - self.onset_ns)
        fall = (self.offset_ns - t) / (self.offset_ns - self.apex_ns)
        up, down = (
            _ramp(self.shape, np.clip(way, 0.0, 1.0), self.hold, rising)
            for way, rising in ((rise, True), (fall, False))
        )
        inside = (t >= self.onset_ns) & (t < self.offset_ns)
        return np.where(inside, np.where(t <= self.apex_ns, up, down), 0.0)


def _ramp(shape: str, x: ArrayF64, hold: float, rising: bool) -> ArrayF64:
    """Monotone from 0 at x = 0 to 1 at x = 1; the way down is run through backwards."""
    if shape == "raised-cosine":
        return 0.5 - 0.5 * np.cos(np.pi * x)
    if shape == "gamma":  # rises late and sharply like t^2 e^(1-t)-curves do around their mode
        return x**2 * np.exp(2.0 * (1.0 - x))
    if shape == "relaxing":  # like a muscle's force: quickly up towards a limit, quickly down with a tail
        k = 2.0
        relaxed: ArrayF64 = np.expm1(-k * x) / np.expm1(-k) if rising else np.expm1(k * x) / np.expm1(k)
        return relaxed
    if shape == "sharp":  # a twitch: ever faster until the apex, and at once back
        return x**1.7
    if shape == "stepped":
        level, rest = 0.35 + 0.5 * hold, STEP_PLACE + STEP_REST
        return level * _smooth(x / STEP_PLACE) + (1.0 - level) * _smooth((x - rest) / (1.0 - rest))
    return _smooth(x / (1.0 - hold))


def _smooth(x: ArrayF64) -> ArrayF64:
    """From 0 to 1 with level ends."""
    y: ArrayF64 = np.clip(x, 0.0, 1.0)
    return y * y * (3.0 - 2.0 * y)


def draw_pulse(rng: np.random.Generator, onset_ns: int, offset_ns: int, version: Version) -> Pulse:
    """A random pulse over the given interval, rising as fast as it falls or faster.

    Args:
        rng: source of the shape, the apex and the hold.
        onset_ns: first nanosecond of the movement.
        offset_ns: first nanosecond after it.
        version: which family of shapes.

    Source: onsets faster than offsets, CASME II's and SAMM's annotations.
    """
    low, high = (0.34, 0.5) if version == "train" else (0.25, 0.42)
    share = float(rng.uniform(low, high))
    apex_ns = onset_ns + max(1, int((offset_ns - onset_ns) * share))
    shape = str(rng.choice(SHAPES[version]))
    return Pulse(shape, onset_ns, apex_ns, offset_ns, float(rng.uniform(0.1, 0.45)))
