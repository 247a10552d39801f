"""Where the picture of what frame rates show says "abstains", no window could count as a hit."""

from __future__ import annotations

import pytest
from evaluate_observability import looked_for

from stream_mer.config import Settings


@pytest.mark.parametrize(
    ("duration_s", "fps", "expected"),
    [
        (0.045, 25, False),  # the shortest window laid at 25 fps is 109 ms: more than twice as long
        (0.065, 25, True),
        (0.095, 25, True),  # not three frames, but the window of 109 ms is near enough
        (0.045, 200, True),
        (0.19, 10, False),  # nothing is looked for at 10 fps
        (0.4, 200, False),  # twice the longest window and more
    ],
)
def test_windows_count_from_half_to_twice_the_event(duration_s: float, fps: float, expected: bool) -> None:
    assert looked_for(duration_s, fps, Settings()) is expected
