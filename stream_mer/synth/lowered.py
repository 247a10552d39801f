"""Clips as the paper degrades them: frames a quarter as wide and blurred, some clips by a median, too."""

from __future__ import annotations

from dataclasses import dataclass

from stream_mer.core.degradation import SCALE, paper_frame
from stream_mer.synth.plan import stream
from stream_mer.synth.pulse import Version
from stream_mer.types import ImageU8

MEDIAN_SHARE = 0.5
"""Share of clips with the median; the paper takes "randomly chosen" ones and does not say how many."""
_PURPOSE = 21


@dataclass(frozen=True, slots=True)
class Lowered:
    """The degradation of one clip, the same for all its frames."""

    median: bool

    @classmethod
    def of_clip(cls, seed: int, version: Version) -> Lowered:
        """Decide by the clip's seed whether it is one of those with the median."""
        return cls(bool(stream(seed, _PURPOSE, version).random() < MEDIAN_SHARE))

    def __call__(self, rgb: ImageU8) -> ImageU8:
        """``(H, W, 3)`` uint8, sides divisible by four, to ``(H / 4, W / 4, 3)``."""
        return paper_frame(rgb, median=self.median)

    def truth(self) -> dict[str, object]:
        """What the clip's JSON says: the name as in ``evaluate.py sr``, px of the file per px of the spec."""
        name = "area, gaussian, median" if self.median else "area, gaussian"
        return {"degradation": name, "scale": 1 / SCALE}
