"""Decides what is given up, and in which order, when a machine cannot keep up with its cameras.

A state machine without clock: it is told how full the queues are and how many frames were lost, and
answers with a level. Level 0 gives up nothing; each further level one more thing, in the order its
maker states; at the last one frames are lost, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class OverloadSettings:
    """When to go up and down a level.

    Args:
        high: share of the queue (0..1) from which it counts as pressed.
        low: share below which it counts as calm; in between nothing is concluded.
        pressed_s: pressed without a break for this long: one level up. Short bursts pass.
        calm_s: calm without a break for this long: one level down.
        longest_calm_s: a recovery that did not last doubles ``calm_s``, up to this.
    """

    high: float = 0.5
    low: float = 0.25
    pressed_s: float = 0.4
    calm_s: float = 5.0
    longest_calm_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"need 0 <= low < high <= 1, got {self.low}, {self.high}")
        if not 0 < self.pressed_s <= self.calm_s <= self.longest_calm_s:
            raise ValueError(
                f"need 0 < pressed_s <= calm_s <= longest_calm_s, got {self.pressed_s}, {self.calm_s}, "
                f"{self.longest_calm_s}"
            )


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A step up or down. ``name`` is the new level's."""

    before: int
    level: int
    name: str


class Overload:
    """The ladder.

    Args:
        levels: names, the first one for 'nothing given up'; at least two.
        settings: when to move.
    """

    def __init__(self, levels: Sequence[str], settings: OverloadSettings | None = None) -> None:
        if len(levels) < 2:
            raise ValueError(f"a ladder needs two levels or more, got {list(levels)}")
        self.levels = tuple(levels)
        self._settings = settings or OverloadSettings()
        self._level = 0
        self._pressed_since: int | None = None
        self._calm_since: int | None = None
        self._calm_s = self._settings.calm_s
        self._recovered_ns: int | None = None

    @property
    def level(self) -> int:
        """0 when nothing is given up."""
        return self._level

    @property
    def name(self) -> str:
        """The level's name."""
        return self.levels[self._level]

    def push(self, now_ns: int, backlog: float, lost: int) -> LevelChange | None:
        """Take a reading.

        Args:
            now_ns: monotonic time.
            backlog: how full the fullest queue is, 0..1.
            lost: frames lost to overload since the last reading.

        Returns:
            The step that is taken now, if any; never more than one level.
        """
        s = self._settings
        pressed, calm = backlog >= s.high or lost > 0, backlog <= s.low and not lost
        self._pressed_since = (self._pressed_since or now_ns) if pressed else None
        self._calm_since = (self._calm_since or now_ns) if calm else None
        if self._pressed_since is not None and now_ns - self._pressed_since >= s.pressed_s * _NS_PER_S:
            self._pressed_since = now_ns
            return self._up(now_ns)
        if self._calm_since is not None and now_ns - self._calm_since >= self._calm_s * _NS_PER_S:
            self._calm_since = now_ns
            return self._down(now_ns)
        return None

    def _up(self, now_ns: int) -> LevelChange | None:
        if self._level == len(self.levels) - 1:
            return None
        if self._recovered_ns is not None and now_ns - self._recovered_ns < self._calm_s * _NS_PER_S:
            # What was given back could not be carried: try again later, not at once.
            self._calm_s = min(2 * self._calm_s, self._settings.longest_calm_s)
        self._recovered_ns = None
        return self._move(1)

    def _down(self, now_ns: int) -> LevelChange | None:
        if self._level == 0:
            self._calm_s = self._settings.calm_s
            return None
        self._recovered_ns = now_ns
        return self._move(-1)

    def _move(self, by: int) -> LevelChange:
        before, self._level = self._level, self._level + by
        return LevelChange(before, self._level, self.name)
