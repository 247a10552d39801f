"""Real crops for the parity gate, cut as the product cuts them: from the demo's clip, or from portraits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from stream_mer.core.geometry import pose_from_keypoints
from stream_mer.core.warp import sample
from stream_mer.synth.demo import demo_clip
from stream_mer.synth.landmarks import pose_keypoints
from stream_mer.types import HR_SIZE, LR_SIZE, ArrayF64, ImageU8

FRAMES = 240
"""Of the demo's clip: 4 s with two events, head motion, a blink."""
LR_EVERY = 4
HALF_WINDOWS = (3, 6, 9)
"""Frames from 'before' to 'apex' and on to 'after': 0.05 to 0.15 s at the clip's 60 fps."""
WINDOW_EVERY = 5


@dataclass(frozen=True, slots=True)
class Crops:
    """What the gate runs: ``lr`` ``(N, 32, 32, 3)``, ``windows`` ``(M, 3, 128, 128, 3)``, uint8 RGB."""

    lr: ImageU8
    windows: ImageU8


def gate_crops(portraits: Iterable[tuple[ImageU8, ArrayF64]] = ()) -> Crops:
    """Crops of the person in the demo's clip, and of further people.

    Args:
        portraits: more people: picture and ``(468, 3)`` face mesh in its px.
    """
    low, high = [], []
    _, frames = demo_clip()
    for number, frame in enumerate(islice(frames, FRAMES)):
        high.append(sample(frame.rgb, frame.pose, HR_SIZE))
        if number % LR_EVERY == 0:
            low.append(sample(frame.rgb, frame.pose, LR_SIZE))
    for rgb, mesh in portraits:
        low.append(sample(rgb, pose_from_keypoints(pose_keypoints(mesh)), LR_SIZE))
    windows = [
        np.stack([high[first], high[first + half], high[first + 2 * half]])
        for half in HALF_WINDOWS
        for first in range(0, len(high) - 2 * half, WINDOW_EVERY)
    ]
    return Crops(np.stack(low), np.stack(windows))
