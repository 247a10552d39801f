"""Reads a classifier's logits as probabilities: bias-corrected temperature scaling.

A temperature alone turns the curve of stated against true probabilities and moves it nowhere. A network
that was shown a quarter of events in training says "event" too easily where they are rarer; what is added
to the logit of 'none' mends that.

Source: Alexandari, Kundaje and Shrikumar, Maximum Likelihood with Bias-Corrected Calibration is
Hard-to-Beat at Label Shift Adaptation, ICML 2020 (BCTS, here with one bias).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import ArrayF64


@dataclass(frozen=True, slots=True)
class Reading:
    """``softmax(logits / temperature + (0, ..., 0, none_bias))``; 'none' is the last class."""

    temperature: float = 1.0
    none_bias: float = 0.0

    def probabilities(self, logits: NDArray[np.generic]) -> ArrayF64:
        """Probabilities of ``(N, C)`` logits; rows sum to 1."""
        odds = logits.astype(np.float64) / self.temperature
        odds[:, -1] += self.none_bias
        shifted = np.exp(odds - odds.max(axis=1, keepdims=True))
        normalised: ArrayF64 = shifted / shifted.sum(axis=1, keepdims=True)
        return normalised

    def then(self, other: Reading) -> Reading:
        """This reading, its log probabilities read once more by ``other``."""
        return Reading(
            self.temperature * other.temperature,
            self.none_bias / other.temperature + other.none_bias,
        )
