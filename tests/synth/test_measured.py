"""What a face did between two pictures, whatever the head did meanwhile."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.synth.basis import WarpBasis
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.fields import draw_style
from stream_mer.synth.inject import Injector
from stream_mer.synth.landmarks import face_axes
from stream_mer.synth.measured import STEADY, measured_movement
from stream_mer.synth.plan import plan_clip
from stream_mer.synth.spec import NO_DISTRACTORS, ClipSpec, EventSpec
from stream_mer.types import ArrayF64, ImageU8

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


def test_who_has_a_smile_of_his_own_smiles_so_and_moves_otherwise_as_described() -> None:
    basis, smile = WarpBasis(MESH), measured_movement(MESH, smiling(0.05))
    person = draw_style(np.random.default_rng(3), "test")
    smiler = dataclasses.replace(person, smile=smile)
    for units in (("12",), ("6", "12")):
        np.testing.assert_array_equal(basis.movement(units, smiler), basis.measured(smile))
        assert not np.allclose(basis.movement(units, person), basis.measured(smile), atol=0.1)
    for units in (("1", "2"), ("6",), ("12", "15"), ("14",)):
        np.testing.assert_array_equal(basis.movement(units, smiler), basis.movement(units, person))


@pytest.mark.parametrize(("unit", "moves", "stays"), [("R12", 61, 291), ("L12", 291, 61)])
def test_half_a_smile_leaves_the_other_corner(unit: str, moves: int, stays: int) -> None:
    smile = measured_movement(MESH, smiling(0.05))
    smiler = draw_style(np.random.default_rng(3), "train", smile=smile)
    basis = WarpBasis(MESH)
    moved = np.hypot(*basis.at_points(basis.movement((unit,), smiler), MESH[[moves, stays], :2]).T)
    assert moved[0] > 0.5
    assert moved[1] < 0.05


def test_a_measured_smile_is_injected_instead_of_the_described() -> None:
    movement = np.zeros((468, 2))
    movement[[105, 334]] = [0.0, -1.0]  # a smile that nobody has: with the brows
    grid = WarpBasis(MESH).measured(movement)
    assert np.hypot(grid[..., 0], grid[..., 1]).max() == pytest.approx(1.0, abs=1e-5)
    event = EventSpec(1.0, 0.2, "happiness", ("12",), 0.03, 0.5)
    own, described = (Injector([event], 3, "test", smile=m) for m in (movement, None))
    (truth,) = own.events
    rest, apex, other = (
        i.apply(PICTURE, t, MESH) for i, t in ((own, 0), (own, truth.apex_ns), (described, truth.apex_ns))
    )
    rows = np.arange(len(PICTURE))

    def height(moved: ImageU8) -> float:
        changed = np.abs(moved.astype(int) - rest).max(2) > 8
        return float(np.average(rows, weights=changed.sum(1)))

    assert height(apex) == pytest.approx(MESH[[105, 334], 1].mean(), abs=0.15 * AXES.width)
    assert height(other) > height(apex) + 0.3 * AXES.width


def test_a_clip_of_who_has_a_smile_shows_it() -> None:
    smile = measured_movement(MESH, smiling(0.05))
    spec = ClipSpec(0.5, 30, events=(EventSpec(0.1, 0.2, "happiness", ("12",), 0.03),), rates=NO_DISTRACTORS)
    own, described = (plan_clip(spec, 3, given) for given in (smile, None))
    assert own.events == described.events
    np.testing.assert_array_equal(own.movements[0].heights, described.movements[0].heights)
    assert own.movements[0].style.smile is smile
    assert described.movements[0].style.smile is None
