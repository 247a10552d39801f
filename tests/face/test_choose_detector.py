"""The choice of a detector for a frame size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.errors import ConfigError
from stream_mer.face.choose import FULL_RANGE, FULL_SEES, SHORT_RANGE, plan_detection
from stream_mer.face.tiled import tile_starts

sides = st.integers(1, 8000)
widths = st.floats(4, 400)


@pytest.mark.parametrize(
    ("width", "height", "face", "model", "tile", "passes"),
    [
        (640, 480, 80, SHORT_RANGE, None, 1),
        (640, 480, 48, FULL_RANGE, None, 1),
        (640, 480, 32, FULL_RANGE, 480, 3),
        (1920, 1080, 32, FULL_RANGE, 480, 16),
        (1920, 1080, 240, SHORT_RANGE, None, 1),
    ],
)
def test_usual_frames(
    width: int, height: int, face: float, model: str, tile: int | None, passes: int
) -> None:
    plan = plan_detection(width, height, min_face_px=face)
    assert (plan.model, plan.tile_px, plan.passes) == (model, tile, passes)


@given(sides, sides, widths)
def test_without_a_bound_the_wanted_face_is_seen(width: int, height: int, face: float) -> None:
    plan = plan_detection(width, height, min_face_px=face)
    assert plan.smallest_face_px <= max(face, 32 / FULL_SEES) + 1e-9


@given(sides, sides, widths, st.integers(1, 40))
def test_the_bound_holds_and_the_price_is_told(width: int, height: int, face: float, most: int) -> None:
    plan = plan_detection(width, height, min_face_px=face, max_passes=most)
    assert 1 <= plan.passes <= most
    assert plan.smallest_face_px >= plan_detection(width, height, min_face_px=face).smallest_face_px
    if plan.tile_px is not None:
        across, down = (len(tile_starts(side, plan.tile_px, 0.25)) for side in (width, height))
        assert plan.passes == 1 + across * down


@pytest.mark.parametrize(
    "wrong", [(0, 10, 32.0, None), (10, -1, 32.0, None), (10, 10, 0.0, None), (10, 10, 32.0, 0)]
)
def test_nonsense_is_refused(wrong: tuple[int, int, float, int | None]) -> None:
    width, height, face, most = wrong
    with pytest.raises(ConfigError, match="positive"):
        plan_detection(width, height, min_face_px=face, max_passes=most)
