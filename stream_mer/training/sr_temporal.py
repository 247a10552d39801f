"""Whether enlarged frames follow each other as the real ones do: tOF and warping error, known motion.

Sensor noise is new in every frame, motion is not: an upscaler that turns the one into the other
flickers, and that is seen here in px (tOF) and in grey levels (warping error).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from stream_mer.core.degradation import Degradation, sensor_noise
from stream_mer.types import HR_SIZE, LR_SIZE, ArrayF64, ImageU8

FRAMES = 6
DRIFT = 0.2
"""Largest step of the whole face from frame to frame, LR px each way."""
PULSE = 0.5
"""Largest displacement of one part at the apex of its motion, LR px each way."""
BORDER = 8
"""HR px at the border that are not counted, as the published metrics crop theirs."""
LR_PX = HR_SIZE / LR_SIZE


@dataclass(frozen=True, slots=True)
class Sequence:
    """A face that moves: HR frames, the LR frames a camera gives of them, and how each pixel moved.

    ``steps[t]`` ``(128, 128, 2)`` is the displacement from frame t to t + 1, HR px, at the place of t + 1.
    """

    hr: ImageU8
    lr: ImageU8
    steps: ArrayF64


def moving(hr: ImageU8, degrade: Degradation, noise: float, rng: np.random.Generator) -> Sequence:
    """``hr`` as a short video: the head drifts, one part of the face moves out and back.

    Args:
        hr: ``(128, 128, 3)`` uint8.
        degrade: HR to LR.
        noise: standard deviation of the sensor noise on every LR frame, grey levels.
        rng: of motion and noise.
    """
    fine = cv2.resize(hr, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    centres = np.mgrid[:HR_SIZE, :HR_SIZE][::-1].transpose(1, 2, 0) + 0.5
    place, peak = rng.uniform(0.3, 0.7, 2) * HR_SIZE, rng.uniform(-PULSE, PULSE, 2) * LR_PX
    part = np.exp(-((centres - place) ** 2).sum(2) / (2 * 8.0**2))[..., None]
    drift = np.concatenate([[[0, 0]], np.cumsum(rng.uniform(-DRIFT, DRIFT, (FRAMES - 1, 2)) * LR_PX, 0)])
    rise = np.sin(np.pi * np.arange(FRAMES) / (FRAMES - 1))
    fields = np.stack([d + r * peak * part for d, r in zip(drift, rise, strict=True)])
    frames = []
    for field in fields:
        x, y = np.moveaxis((4 * (centres - field) - 0.5).astype(np.float32), 2, 0)
        frames.append(cv2.remap(fine, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    truth = np.stack(frames).astype(np.uint8)
    seen = [sensor_noise(degrade(f, rng).astype(np.float64), noise, rng) for f in truth]
    low = np.clip(np.rint(np.stack(seen)), 0, 255).astype(np.uint8)
    return Sequence(truth, low, np.diff(fields, axis=0))


def flow_difference(ours: ImageU8, truth: ImageU8) -> float:
    """tOF: mean distance between the optical flow of our frames and that of the true ones, HR px.

    Source: TecoGAN (Chu et al. 2020): Farneback's flow with its published settings, borders cropped.
    """
    flows = []
    for frames in (ours, truth):
        grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in frames]
        start = np.zeros((*grey[0].shape, 2), np.float32)
        flows.append(
            [
                cv2.calcOpticalFlowFarneback(a, b, start.copy(), 0.5, 3, 15, 3, 5, 1.2, 0)
                for a, b in pairwise(grey)
            ]
        )
    apart = np.linalg.norm(np.asarray(flows[0]) - np.asarray(flows[1]), axis=-1)
    return float(_inner(apart).mean())


def warping_error(ours: ImageU8, steps: ArrayF64) -> float:
    """Rms difference, in grey levels, between each frame and its predecessor moved by the true motion.

    Source: Lai et al. 2018 (blind video consistency); there the flow is estimated, here it is known,
    and nothing is hidden, so no pixel is masked.
    """
    ys, xs = np.mgrid[:HR_SIZE, :HR_SIZE]
    errors = []
    for before, after, step in zip(ours[:-1], ours[1:], steps, strict=True):
        x, y = ((c - step[..., k]).astype(np.float32) for k, c in enumerate((xs, ys)))
        moved = cv2.remap(before, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        errors.append(((moved.astype(np.float64) - after) ** 2).mean(-1))
    return float(np.sqrt(_inner(np.stack(errors)).mean()))


def follow(upscale: Callable[[ImageU8], ImageU8], sequences: list[Sequence]) -> tuple[float, float]:
    """tOF in LR px and warping error in grey levels of an upscaler, means over ``sequences``."""
    shown = [(upscale(s.lr), s) for s in sequences]
    flow = np.mean([flow_difference(ours, s.hr) for ours, s in shown])
    return float(flow) / LR_PX, float(np.mean([warping_error(ours, s.steps) for ours, s in shown]))


def _inner(values: ArrayF64) -> ArrayF64:
    return values[..., BORDER:-BORDER, BORDER:-BORDER]
