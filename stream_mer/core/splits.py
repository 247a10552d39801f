"""Divides clips into training and test: nobody in both, or as the paper did, to show what that gives."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

PAPER_SHARES = (0.7, 0.2, 0.1)
"""Training, test, validation. Source: JMTR 10(1), 2025."""
ASIDE_PERCENT = 15


def aside(person: str) -> bool:
    """Whether a training person is one of the 15 % that no classifier learns from: choices are made on them.

    A digest of the name, so that whoever asks, and whenever, gets the same answer.
    """
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % 100 < ASIDE_PERCENT


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of the samples to train on, to test on and, where there are any, to select by."""

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    validation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        parts = (self.train, self.test, self.validation)
        if len({i for part in parts for i in part}) != sum(map(len, parts)):
            raise ValueError(f"split {self.name}: a sample is in two parts")


def leave_one_out(groups: Sequence[Hashable]) -> list[Split]:
    """One split per group, in order of appearance: it is the test, all others train.

    With subjects as groups this is LOSO, with datasets leave-one-dataset-out.

    Args:
        groups: the group of each sample.

    Raises:
        ValueError: fewer than two groups.
    """
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise ValueError(f"leaving one out needs two groups or more, got {len(names)}")
    return [
        Split(
            str(name),
            tuple(i for i, group in enumerate(groups) if group != name),
            tuple(i for i, group in enumerate(groups) if group == name),
        )
        for name in names
    ]


def inner_folds(split: Split, groups: Sequence[Hashable], count: int = 5) -> list[Split]:
    """Splits inside a split's training part, whole groups each, for any selection (epoch, C, threshold).

    Nothing of the outer test can be in them: they are made of ``split.train`` alone.

    Args:
        split: the outer split.
        groups: the group of each sample (of all, not only of the training part).
        count: folds at most; fewer when there are fewer groups.

    Returns:
        At least two folds; or one fold that tests on half of the samples if all are of one group.
    """
    names = list(dict.fromkeys(groups[i] for i in split.train))
    if len(names) < 2:
        half = len(split.train) // 2
        return [Split(f"{split.name}/half", split.train[half:], split.train[:half])]
    folds = [names[start :: min(count, len(names))] for start in range(min(count, len(names)))]
    return [
        Split(
            f"{split.name}/{number}",
            tuple(i for i in split.train if groups[i] not in held),
            tuple(i for i in split.train if groups[i] in held),
        )
        for number, held in enumerate(map(set, folds))
    ]


def frame_random(count: int, seed: int, shares: tuple[float, float, float] = PAPER_SHARES) -> Split:
    """Samples dealt out at random whatever clip or person they are of: the paper's split, as printed.

    Neighbouring frames of one clip then lie on both sides, so the test is not one of unseen people.

    Args:
        count: how many samples.
        seed: of the shuffle.
        shares: of training, test, validation; must sum to 1.
    """
    _check(shares)
    order = np.random.default_rng(seed).permutation(count)
    train, test = round(count * shares[0]), round(count * (shares[0] + shares[1]))
    parts = (order[:train], order[train:test], order[test:])
    first, second, third = (tuple(sorted(int(i) for i in part)) for part in parts)
    return Split("frame-random", first, second, third)


def subject_disjoint(
    groups: Sequence[Hashable], seed: int, shares: tuple[float, float, float] = PAPER_SHARES
) -> Split:
    """The same shares, as near as whole groups allow, with every group on one side only.

    Groups are dealt, largest first (ties at random), each to the part that is furthest below its share.

    Args:
        groups: the subject of each sample.
        seed: breaks ties.
        shares: of training, test, validation; must sum to 1.

    Raises:
        ValueError: fewer groups than parts with a share.
    """
    _check(shares)
    names = list(dict.fromkeys(groups))
    wanted = sum(share > 0 for share in shares)
    if len(names) < wanted:
        raise ValueError(f"{wanted} parts need as many subjects or more, got {len(names)}")
    sizes = {name: sum(group == name for group in groups) for name in names}
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    parts: tuple[set[Hashable], ...] = (set(), set(), set())
    filled = [0, 0, 0]
    for left, name in zip(range(len(names), 0, -1), sorted(shuffled, key=lambda n: -sizes[n]), strict=True):
        empty = [k for k in range(3) if shares[k] > 0 and not parts[k]]
        choices = empty if left <= len(empty) else [k for k in range(3) if shares[k] > 0]
        part = max(choices, key=lambda k: shares[k] * len(groups) - filled[k])
        parts[part].add(name)
        filled[part] += sizes[name]
    first, second, third = (tuple(i for i, g in enumerate(groups) if g in part) for part in parts)
    return Split("subject-disjoint", first, second, third)


def _check(shares: tuple[float, float, float]) -> None:
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9 or shares[0] <= 0 or shares[1] <= 0:
        raise ValueError(f"shares must be 0 or more, sum to 1, and train and test need one, got {shares}")
