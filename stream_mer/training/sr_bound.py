"""How still a still face can look at best: the noise of a frame bounds what any reader of motion can tell.

Sensor noise on the LR picture moves every feature a little. By how much at least follows from the
picture's gradients (Cramér and Rao); what does better has not read this place better, it has mixed in
its surroundings (a pyramid sees a little of them) or what faces usually look like.
"""

from __future__ import annotations

import numpy as np

from stream_mer.training.sr_motion import LR_PX, NOISE_LEVELS, PLACES, fall_off
from stream_mer.types import LR_SIZE, ArrayF64, ImageU8

REACH_PX = 11.5
"""Half the width of what the motion reader sees around a place, HR px: nine 15 px windows, 8 px apart."""
LUMA = np.array([0.299, 0.587, 0.114])


def least_displacement(lr: ImageU8, place: ArrayF64, noise: float, *, colour: bool) -> float:
    """Smallest standard deviation, LR px per axis, of a displacement read between two noisy frames.

    Args:
        lr: ``(32, 32, 3)`` uint8, without noise.
        place: ``(2,)`` canonical px.
        noise: of ``sensor_noise``, grey levels.
        colour: whether the reader sees three channels or their luma, as Lucas-Kanade does.
    """
    channels = list(np.moveaxis(lr.astype(np.float64), 2, 0)) if colour else [lr.astype(np.float64) @ LUMA]
    share = 1.0 if colour else float((LUMA**2).sum())
    covered = np.outer(*(_overlap(c / LR_PX) for c in (place[1], place[0])))
    information = np.zeros((2, 2))
    for channel in channels:
        down, right = np.gradient(channel)
        gradients = np.stack([right, down])
        weight = covered / (noise**2 * (0.5 + 0.5 * channel / 128) * share)
        information += np.einsum("iyx,jyx,yx->ij", gradients, gradients, weight)
    return float(np.sqrt(2 * np.trace(np.linalg.inv(information)) / 2))


def least_floor(pictures: ImageU8, noise: float = NOISE_LEVELS, *, colour: bool = False) -> float:
    """The noise floor (see ``sr_motion.Motion.floor``) no reader of just these windows gets below, LR px.

    Args:
        pictures: ``(N, 32, 32, 3)`` uint8 LR pictures without noise.
        noise: on them, grey levels.
        colour: see ``least_displacement``.
    """
    offsets = np.array([[x, y] for y in (-4, 0, 4) for x in (-4, 0, 4)])
    left = fall_off(offsets[:, 0], offsets[:, 1], np.zeros(2)).mean()
    found = [least_displacement(lr, place, noise, colour=colour) for lr in pictures for place in PLACES]
    return float(np.sqrt(np.mean(np.square(found))) / left)


def _overlap(centre: float) -> ArrayF64:
    """Share of each LR pixel, along one axis, that the reader sees around ``centre`` (LR px)."""
    low, high = centre - REACH_PX / LR_PX, centre + REACH_PX / LR_PX
    edges = np.arange(LR_SIZE + 1.0)
    return np.asarray(np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, 1))
