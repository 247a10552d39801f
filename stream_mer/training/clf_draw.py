"""Draws the classifier's batches: balanced over classes, kinds and people, and varied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from stream_mer.training.clf_data import NONE
from stream_mer.training.clf_judge import Table

TURNED = (1, 0, 2, 4, 3, 5, 7, 6, 8, 10, 9)
"""Where each raw channel comes from when time is turned round; pre->post then changes its sign, too."""


def augment(raw: Tensor, extent: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Vary a batch of raw flow ``(N, 11, 32, 32)`` in ways that keep its label.

    Mirror left and right (u changes sign), turn time round (before and after change places; so do the
    ends of the ``(N, 3)`` extents), a gain, a shift by at most one cell, and noise where the flow is not
    to be trusted.
    """
    n = len(raw)
    chance = torch.rand((n, 4), generator=generator)
    raw = raw.clone()
    mirror = chance[:, 0] < 0.5
    sign = torch.ones(11, 1, 1)
    sign[:3] = -1
    raw[mirror] = raw[mirror].flip(-1) * sign
    turn = chance[:, 1] < 0.5
    sign = torch.ones(11, 1, 1)
    sign[[2, 5]] = -1
    raw[turn] = raw[turn][:, TURNED] * sign
    extent = torch.where(turn[:, None], -extent.flip(1), extent)
    gain = torch.exp(0.2 * torch.randn((n, 1, 1, 1), generator=generator))
    level = 0.06 * chance[:, 2, None, None, None] ** 2
    noise = torch.randn((n, 6, 34, 34), generator=generator)
    noise = noise[..., :-2] + noise[..., 1:-1] + noise[..., 2:]  # a box of three; faster than pooling
    noise = (noise[..., :-2, :] + noise[..., 1:-1, :] + noise[..., 2:, :]) * (2.0 / 9.0)
    doubt = 1.3 - raw[:, [9, 10, 9, 9, 10, 9]]
    raw = torch.cat([raw[:, :6] * gain + noise * level * doubt, raw[:, 6:]], 1)
    dx, dy = (int(torch.randint(-1, 2, (1,), generator=generator)) for _ in range(2))
    padded = F.pad(raw, (1, 1, 1, 1), mode="replicate")
    return padded[..., 1 + dy : 33 + dy, 1 + dx : 33 + dx], extent


def summed(one: Tensor, other: Tensor) -> Tensor:
    """Raw flow ``(N, 11, 32, 32)`` of a face that does both at once.

    Motions this small add up; what flow leaves unexplained adds up in squares, and it is to be trusted where
    both are.
    """
    residual = torch.hypot(one[:, 6:9], other[:, 6:9])
    return torch.cat([one[:, :6] + other[:, :6], residual, torch.minimum(one[:, 9:], other[:, 9:])], 1)


@dataclass(frozen=True, slots=True)
class Mix:
    """What a batch is made of."""

    batch: int
    negatives_per_positive: float
    real_share: float
    """Share that comes from real video, of the positives as of the negatives: if only one of them came from
    there, looking real would itself speak for or against an event."""
    summed: float = 0.0
    """Share of the windows of real video that are sums, see ``summed``: there is little real video, and what
    was injected into it is soon known by heart."""


class Drawer:
    """Draws balanced batches: positives evenly over classes, negatives evenly over their kinds.

    In real video evenly over people as well, so that whoever is seen longest does not drown the others.
    """

    def __init__(self, table: Table, mix: Mix) -> None:
        self.mix = mix
        rows = np.flatnonzero(table["part"] == "train")
        event, real = table["target"][rows] != NONE, table["real"][rows].astype(bool)
        what = np.where(event, table["target"][rows].astype(str), table["kind"][rows].astype(str))
        group = np.char.add(np.char.add(what, "/"), np.where(real, table["person"][rows].astype(str), ""))

        def groups(keep: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
            return [rows[keep & (group == name)] for name in np.unique(group[keep])]

        self.positive = {flag: groups(event & (real == flag)) for flag in (False, True)}
        self.negative = {flag: groups(~event & (real == flag)) for flag in (False, True)}
        rest = real & (table["kind"][rows] == "rest")
        self.quiet = groups(~event & rest)
        self.positives = int(event.sum())

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Row numbers of one epoch's batches, and of the windows to be added to each (-1: none).

        A sum is of a clip's event and quiet real video, or of quiet real video and a clip without an event.
        """
        mix = self.mix
        count = round(mix.batch / (1 + mix.negatives_per_positive))
        real = round((mix.batch - count) * mix.real_share) if self.negative[True] else 0
        true = round(count * mix.real_share) if self.positive[True] else 0
        events = round(true * mix.summed) if self.quiet else 0
        others = round(real * mix.summed) if events else 0  # else being a sum would speak against an event
        for _ in range(max(1, round(1.5 * self.positives / count))):
            picks = [
                self._even(self.positive[False], count - true + events, rng),
                self._even(self.positive[True], true - events, rng),
                self._even(self.negative[False], mix.batch - count - real, rng),
                self._even(self.negative[True], real - others, rng),
                self._even(self.quiet, others, rng),
            ]
            rows = np.concatenate(picks)
            added = np.full(len(rows), -1, np.intp)
            if events:
                added[:events] = self._even(self.quiet, events, rng)
            if others:
                added[-others:] = self._even(self.negative[False], others, rng)
            yield rows, added

    @staticmethod
    def _even(groups: list[NDArray[np.intp]], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        if not count:
            return np.zeros(0, np.intp)
        share = np.sqrt([len(g) for g in groups])  # between even and proportional
        which = rng.choice(len(groups), count, p=share / share.sum())
        return np.array([rng.choice(groups[w]) for w in which], np.intp)
