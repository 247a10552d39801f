"""Runs the fixed part of the classifier on batches of windows, so that training need not repeat it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from stream_mer.training.flow_net import DenseLucasKanade
from stream_mer.types import HR_SIZE, ImageU8

BATCH = 16
"""Windows at once; more only costs memory."""


def measure(windows: ImageU8) -> NDArray[np.float32]:
    """Raw flow ``(N, 11, 32, 32)`` of ``(N, 3, 128, 128, 3)`` uint8 windows."""
    flow = DenseLucasKanade()
    with torch.inference_mode():
        parts = [
            flow(torch.from_numpy(windows[i : i + BATCH])).numpy() for i in range(0, len(windows), BATCH)
        ]
    return np.concatenate(parts)


def bicubic(lr: ImageU8) -> ImageU8:
    """``(N, 32, 32, 3)`` -> ``(N, 128, 128, 3)`` uint8, bicubic with a = -0.75 as in OpenCV."""
    x = torch.from_numpy(lr).permute(0, 3, 1, 2).float()
    y = F.interpolate(x, size=(HR_SIZE, HR_SIZE), mode="bicubic", align_corners=False)
    return y.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
