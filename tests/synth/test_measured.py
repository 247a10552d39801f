"""What a face did between two pictures, whatever the head did meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.synth.basis import WarpBasis
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.inject import Injector
from stream_mer.synth.landmarks import face_axes
from stream_mer.synth.measured import STEADY, measured_movement
from stream_mer.synth.spec import EventSpec
from stream_mer.types import ArrayF64

PICTURE, MESH = demo_portrait()
AXES = face_axes(MESH)
CORNERS = [61, 291]


def smiling(peak: float) -> ArrayF64:
    """The mesh with the corners of its mouth pulled up and apart by ``peak`` face widths."""
    out = MESH.copy()
    out[CORNERS, :2] += AXES.vectors(peak * np.array([[-0.6, -0.8], [0.6, -0.8]]))
    return out


def turned(mesh: ArrayF64, yaw: float, pitch: float, roll: float) -> ArrayF64:
    """The mesh as the head turns, rad."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(mesh @ (about_z @ about_x @ about_y).T)


SMALL = st.floats(-0.2, 0.2)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 0.1), SMALL, SMALL, st.floats(-0.6, 0.6), st.floats(0.5, 2.0), st.floats(-300, 300))
def test_what_the_head_did_is_taken_off(
    peak: float, yaw: float, pitch: float, roll: float, size: float, shift: float
) -> None:
    found = measured_movement(MESH, size * turned(smiling(peak), yaw, pitch, roll) + [shift, -shift, 0.0])
    np.testing.assert_allclose(found[CORNERS], [[-0.6, -0.8], [0.6, -0.8]], atol=1e-9)
    np.testing.assert_allclose(found[list(STEADY)], 0.0, atol=1e-9)


def test_nothing_moved_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing moved"):
        measured_movement(MESH, MESH * 2 + 3)
    with pytest.raises(ValueError, match="depth"):
        measured_movement(MESH[:, :2], smiling(0.1))
    with pytest.raises(ValueError, match="468"):
        measured_movement(MESH, MESH[:400])


def test_a_measured_movement_is_injected_instead_of_the_units() -> None:
    movement = measured_movement(MESH, smiling(0.05))
    grid = WarpBasis(MESH).measured(movement)
    assert np.hypot(grid[..., 0], grid[..., 1]).max() == pytest.approx(1.0, abs=1e-5)
    event = EventSpec(1.0, 0.2, "surprise", ("1", "2"), 0.03, 0.5)
    smile, brows = (Injector([event], 3, "test", measured=m) for m in (movement, None))
    (truth,) = smile.events
    rest, apex, other = (
        i.apply(PICTURE, t, MESH) for i, t in ((smile, 0), (smile, truth.apex_ns), (brows, truth.apex_ns))
    )
    changed = np.abs(apex.astype(int) - rest).max(2) > 8
    y = MESH[CORNERS, 1].mean()
    rows = np.arange(len(changed))
    assert changed.any()
    assert np.average(rows, weights=changed.sum(1)) == pytest.approx(y, abs=0.1 * AXES.width)
    assert (
        np.average(rows, weights=(np.abs(other.astype(int) - rest).max(2) > 8).sum(1)) < y - 0.2 * AXES.width
    )
