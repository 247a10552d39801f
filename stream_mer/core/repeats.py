"""Tells pictures that a camera or recorder only shows once more from new ones.

Many cameras promise more frames a second than they take: in poor light, over a slow cable, or when a
recorder fills up its frame rate. The frames in between show the last picture again, which after a codec is
not exactly the same one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from stream_mer.types import ImageU8

STEPS = 12
"""So many steps back tell how much usually changes."""
USUAL_PERCENTILE = 80
"""... by this percentile of them: up to three frames in four may be repeats."""
MOST_IN_A_ROW = 3
"""So many repeats in a row, unless hardly anything changes: what lasts longer is a face come to rest."""
SHARE = 1 / 8
"""A picture that changes by less than this share of it is the one before again."""
LEAST, MOST = 0.03, 0.25
"""Mean change in grey levels that always is a repeat, and that never is one. Source: the tuning half's
videos. Where new pictures differ by 2 to 6 grey levels, repeats do by 0.03 to 0.2 (what the codec mends);
of steadily exposed cameras 0 to 3 steps in 100 are below these limits."""
SIDE = 96
"""Faces are looked at in so many pixels a side, about."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(slots=True)
class Repeats:
    """Looks at one picture after another of one source; ``push`` every frame in order."""

    _last: ImageU8 | None = None
    _run: int = 0
    _changes: deque[float] = field(default_factory=lambda: deque(maxlen=STEPS))

    def push(self, rgb: ImageU8, low: tuple[float, float], high: tuple[float, float]) -> bool | None:
        """Whether a frame only shows the picture before it again, judged by the face.

        Args:
            rgb: ``(H, W, 3)`` uint8; it is kept, not copied, until the next one comes.
            low, high: corners of the face ``(x, y)``, px; what lies outside the picture is left out. The rest
                of the picture is not looked at: a codec leaves a still background alone.

        Returns:
            None where nothing can be compared: the first picture, one of another size, no face in it.
        """
        before, self._last = self._last, rgb
        if before is None or before.shape != rgb.shape or rgb.ndim != 3:
            self._changes.clear()
            return None
        if not np.isfinite([*low, *high]).all():
            return None
        x0, y0 = (max(0, int(v)) for v in low)
        x1, y1 = (max(0, int(np.ceil(v))) for v in high)
        step = max(1, max(x1 - x0, y1 - y0) // SIDE)
        inside = (slice(y0, y1, step), slice(x0, x1, step))
        one, two = before[inside], rgb[inside]
        if not one.size:
            return None
        change = float(np.abs((two.astype(np.float32) - one) @ _GREY).mean())
        usual = float(np.percentile(self._changes, USUAL_PERCENTILE)) if self._changes else 0.0
        self._changes.append(change)
        again = change < LEAST or (change < min(SHARE * usual, MOST) and self._run < MOST_IN_A_ROW)
        self._run = self._run + 1 if again else 0
        return again
