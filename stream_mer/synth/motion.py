"""How a head moves: drift, turns and breathing as real heads do, nothing that is an expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_mer.synth.pulse import Version
from stream_mer.types import ArrayF64

_LEVER = 1.5  # eye distances by which the face lies before the axis it turns about


@dataclass(frozen=True, slots=True)
class HeadPath:
    """Where the head is at each of T times, relative to the portrait.

    ``shift`` ``(T, 2)`` eye distances (right, down); ``growth`` log of the size; ``roll``, ``yaw``,
    ``pitch`` radians (positive: clockwise, towards the picture's right, down).
    """

    shift: ArrayF64
    growth: ArrayF64
    roll: ArrayF64
    yaw: ArrayF64
    pitch: ArrayF64


def draw_head_path(rng: np.random.Generator, times_s: ArrayF64, speed: float, version: Version) -> HeadPath:
    """A random path whose face travels at ``speed`` eye distances a second on average.

    The train version drifts (sums of slow waves whose strength comes and goes), the test version moves
    from one resting place to the next.

    Args:
        rng: source of randomness.
        times_s: ``(T,)`` increasing seconds.
        speed: mean speed, eye distances a second; 0 gives a still head.
        version: kind of path.

    Source: 0.08-0.34 eye distances a second, measured on talking heads in webcam video.
    """
    duration = float(times_s[-1] - times_s[0]) + 1.0 if len(times_s) else 1.0
    fine = np.arange(0.0, duration + 0.02, 0.01) + (float(times_s[0]) if len(times_s) else 0.0)
    draw = _drift if version == "train" else _rests
    waves = np.stack([draw(rng, fine) for _ in range(6)], axis=1)
    share = np.array([1.0, 0.7, 0.05, 0.09, 0.45, 0.35]) * rng.uniform(0.6, 1.4, 6)
    path = waves * share
    nose = path[:, :2] + _LEVER * path[:, 4:6]
    travelled = np.hypot(*np.gradient(nose, fine, axis=0).T).mean()
    path *= speed / max(float(travelled), 1e-9)
    path[:, 3:6] = 0.3 * np.tanh(path[:, 3:6] / 0.3)
    path[:, 2] = 0.15 * np.tanh(path[:, 2] / 0.15)
    path[:, :2] = 0.8 * np.tanh(path[:, :2] / 0.8)
    at = np.stack([np.interp(times_s, fine, path[:, k]) for k in range(6)], axis=1)
    if speed > 0:
        breath = np.sin(2 * np.pi * rng.uniform(0.2, 0.33) * times_s + rng.uniform(0, 2 * np.pi))
        at[:, 1] += 0.008 * breath
        at[:, 2] += 0.0015 * breath
    return HeadPath(at[:, :2], at[:, 2], at[:, 3], at[:, 4], at[:, 5])


def _drift(rng: np.random.Generator, t: ArrayF64) -> ArrayF64:
    frequencies = np.exp(rng.uniform(np.log(0.07), np.log(1.3), 12))
    phases = rng.uniform(0, 2 * np.pi, 12)
    waves = np.sin(2 * np.pi * frequencies * t[:, None] + phases) / frequencies
    tide = 0.8 + 0.6 * np.sin(2 * np.pi * rng.uniform(0.05, 0.2) * t + rng.uniform(0, 2 * np.pi))
    centred: ArrayF64 = waves.sum(1) * tide
    centred -= centred.mean()
    return centred


def _rests(rng: np.random.Generator, t: ArrayF64) -> ArrayF64:
    out = np.zeros_like(t)
    now, place = float(t[0]), float(rng.normal())
    out[:] = place
    while now < t[-1]:
        now += float(rng.exponential(0.6))
        length, goal = float(rng.uniform(0.3, 1.2)), float(rng.normal()) * 1.0
        way = np.clip((t - now) / length, 0.0, 1.0)
        out += (goal - place) * way**3 * (10.0 - 15.0 * way + 6.0 * way**2)  # least jerk (Flash, Hogan 1985)
        now, place = now + length, goal
    sway = 0.03 * np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * t + rng.uniform(0, 2 * np.pi))
    return out + sway
