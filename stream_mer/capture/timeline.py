"""Turns the time stamps a decoder gives, good or bad, into times that only go forward.

Rules, in this order; no picture is ever dropped here:

* The first picture is at 0 and all others are relative to it, so a negative start does not matter.
* A missing stamp continues the previous picture by one nominal frame.
* A stamp that repeats or goes back a little (two pictures swapped) is moved just behind the previous
  picture, so that the pictures after it keep their own times.
* A stamp that goes back a lot (files glued together, an encoder restarted), or that on a live source
  disagrees with the wall clock by seconds, starts a new epoch; time itself goes on.
* A jump forward in a file stays: it is a gap, and the stages after this one must see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

_NS_PER_S = 1_000_000_000

BACKWARD_BREAK_NS = 250_000_000
"""Stepping back further than this is a broken time line, not two swapped pictures (which lie a few
frames apart); at 25 fps it is six frames."""
LIVE_BREAK_NS = 10 * _NS_PER_S
"""A live stamp may disagree with the wall clock by the longest burst a server keeps for a new client."""
NUDGE_NS = 1_000_000
"""How far a repeated stamp is moved: visible to nobody, and no division by almost nothing."""
LONGEST_NUDGED_RUN = 3
"""After so many repeated stamps in a row they mean nothing; from then on they count as missing."""
DEFAULT_STEP_NS = 40_000_000
"""One frame at 25 fps, used while the source's own rate is unknown."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where one picture lies in time. ``mended`` says what was wrong with its own stamp, if anything.

    ``mended`` is ``""``, ``"missing"``, ``"repeated"``, ``"backward"`` or ``"break"``.
    """

    pts_ns: int
    epoch: int
    mended: str = ""


class Timeline:
    """State machine from raw stamps to strictly increasing nanoseconds.

    Args:
        step_ns: One nominal frame, ns, > 0.
        live: Compare stamps with the wall clock as well.
        origin_s: Raw time that counts as 0, for a source that is entered in its middle; otherwise that of
            the first picture.
    """

    def __init__(
        self, step_ns: int = DEFAULT_STEP_NS, *, live: bool = False, origin_s: Fraction | None = None
    ) -> None:
        if step_ns <= 0:
            raise ValueError(f"step_ns must be positive, got {step_ns}")
        self._step_ns = step_ns
        self._live = live
        self._origin_s = origin_s  # raw time that maps to 0 ns
        self._last_ns: int | None = None
        self._last_raw_s: Fraction | None = None
        self._last_arrival_ns = 0
        self._epoch = 0
        self._run = 0

    def place(self, raw_s: Fraction | None, arrival_ns: int = 0) -> Stamp:
        """Give the next picture its time.

        Args:
            raw_s: The decoder's time stamp in exact seconds, or None if it has none.
            arrival_ns: Monotonic time at which the picture came; only looked at when live.

        Returns:
            Its stamp; ``pts_ns`` is larger than that of every picture before.
        """
        waited_ns = arrival_ns - self._last_arrival_ns
        self._last_arrival_ns = arrival_ns
        last_ns = self._last_ns
        if raw_s is None:
            return self._put(0 if last_ns is None else last_ns + self._step_ns, "missing")
        if self._origin_s is None:
            # Pictures without a stamp may have come first; they then set the time.
            start_ns = 0 if last_ns is None else last_ns + self._step_ns
            self._origin_s = raw_s - Fraction(start_ns, _NS_PER_S)
            return self._put(start_ns, "", raw_s)
        pts_ns = round_ns(raw_s - self._origin_s)
        if last_ns is None:  # entered in its middle
            return self._put(pts_ns, "", raw_s)
        ahead_ns = pts_ns - last_ns
        if ahead_ns < -BACKWARD_BREAK_NS or (self._live and abs(ahead_ns - waited_ns) > LIVE_BREAK_NS):
            self._epoch += 1
            pts_ns = last_ns + (max(waited_ns, self._step_ns) if self._live else self._step_ns)
            self._origin_s = raw_s - Fraction(pts_ns, _NS_PER_S)
            return self._put(pts_ns, "break", raw_s)
        if ahead_ns > 0:
            self._run = 0
            return self._put(pts_ns, "", raw_s)
        repeated = raw_s == self._last_raw_s
        self._run += 1
        nudge_ns = min(NUDGE_NS, max(1, self._step_ns // 4))
        step_ns = nudge_ns if self._run <= LONGEST_NUDGED_RUN else self._step_ns
        return self._put(last_ns + step_ns, "repeated" if repeated else "backward", raw_s)

    def _put(self, pts_ns: int, mended: str, raw_s: Fraction | None = None) -> Stamp:
        self._last_ns, self._last_raw_s = pts_ns, raw_s
        return Stamp(pts_ns, self._epoch, mended)


def round_ns(seconds: Fraction) -> int:
    """Exact seconds to the nearest nanosecond, halves upward.

    >>> round_ns(Fraction(1001, 30000))
    33366667
    """
    return (2 * seconds.numerator * _NS_PER_S + seconds.denominator) // (2 * seconds.denominator)
