"""Divides the places of one batch fairly among those who wait for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def share(waiting: Mapping[int, int], turn: Sequence[int], places: int) -> dict[int, int]:
    """Hand out places one at a time, in turn, until there are none left or nobody waits.

    Nobody gets two more than another who still waits, so a camera with twenty faces delays one with a
    single face by no more than its fair part of a batch.

    Args:
        waiting: how many places each one (by number) asks for.
        turn: the order of asking; those who are served last should come last next time.
        places: how many there are, >= 1.

    Returns:
        Places per number, only those that got any.

    >>> share({1: 5, 2: 1, 3: 2}, [2, 3, 1], 6)
    {2: 1, 3: 2, 1: 3}
    """
    given: dict[int, int] = {}
    left = {number: waiting[number] for number in turn if waiting.get(number, 0) > 0}
    while places > 0 and left:
        for number in list(left):
            if places == 0:
                break
            given[number] = given.get(number, 0) + 1
            places -= 1
            left[number] -= 1
            if left[number] == 0:
                del left[number]
    return given
