"""How far stated probabilities lie from what came true: the expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import ArrayF64

BINS = 10
"""Bins of equally many candidates: equal widths would leave some with hardly any."""


def calibration_error(stated: ArrayF64, true: NDArray[np.bool_], bins: int = BINS) -> float:
    """Mean distance between stated probability and share that came true, over bins of equal mass.

    Chance alone keeps it above 0: with few candidates a bin, shares scatter about what was stated.

    Args:
        stated: ``(N,)`` probabilities, 0..1.
        true: ``(N,)`` whether it was so.
        bins: how many; fewer if there are fewer candidates.

    Returns:
        0 (as stated) to 1; nan without candidates.

    Source: Nixon et al., Measuring Calibration in Deep Learning, CVPR workshops 2019 (adaptive bins).

    >>> round(calibration_error(np.array([0.2, 0.2, 0.9, 0.9]), np.array([0, 0, 1, 1], bool), bins=2), 3)
    0.15
    """
    if not len(stated):
        return float("nan")
    order = np.argsort(stated, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    apart = [len(part) * abs(stated[part].mean() - true[part].mean()) for part in parts]
    return float(sum(apart) / len(order))
