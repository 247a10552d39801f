"""Action units move what they should, the way they should, and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.synth.action_units import CLASS_ACTION_UNITS, COMPONENTS, UNILATERAL, split_side
from stream_mer.synth.basis import WarpBasis
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.fields import TURN_DEG, draw_style, field_on_mesh
from stream_mer.synth.landmarks import BROW, EYE_CORNERS, EYE_POINTS, LOWER_LID, face_axes
from stream_mer.synth.muscles import MUSCLES
from stream_mer.synth.plate import HANDLES, bend, still
from stream_mer.synth.pulse import Version
from stream_mer.synth.schedule import LID_PEAK
from stream_mer.types import LABELS, ArrayF32, ArrayF64

MESH = demo_portrait()[1]
BASIS = WarpBasis(MESH)
PLAIN = draw_style(np.random.default_rng(0), "train", strength=0.0)
SETS = [units for sets in CLASS_ACTION_UNITS.values() for units in sets]


def length(field: ArrayF64) -> ArrayF64:
    return np.hypot(field[:, 0], field[:, 1])


def along_face(field: ArrayF64) -> ArrayF64:
    axes = face_axes(MESH)
    return np.stack([field @ axes.x, field @ axes.y], axis=1)


def test_classes_are_the_five_labels() -> None:
    assert tuple(CLASS_ACTION_UNITS) == LABELS
    assert CLASS_ACTION_UNITS["disgust"] == (("9",), ("10",), ("9", "10"), ("4", "9"), ("4", "7", "10"))


@pytest.mark.parametrize(
    ("unit", "point", "out", "down"),
    [
        ("1", 107, 0, -1),
        ("2", 105, 0, -1),
        ("4", 107, -1, 1),
        ("5", 159, 0, -1),
        ("6", 117, 0, -1),
        ("7", 145, 0, -1),
        ("9", 129, 0, -1),
        ("10", 37, 0, -1),
        ("12", 61, 1, -1),
        ("14", 61, 1, 0),
        ("15", 61, 0, 1),
        ("17", 199, 0, -1),
    ],
)
def test_unit_moves_its_landmark_the_right_way(unit: str, point: int, out: int, down: int) -> None:
    """``point`` lies on the person's right, where 'out' is towards smaller x."""
    across, vertical = along_face(field_on_mesh(MESH, unit, PLAIN))[point]
    if out:
        assert -across * out > 0.2
    if down:
        assert vertical * down > 0.3


@pytest.mark.parametrize("unit", UNILATERAL)
def test_one_sided_unit_leaves_the_other_side(unit: str) -> None:
    side_of = face_axes(MESH).coordinates(MESH)[:, 0]
    for side, sign in (("R", -1.0), ("L", 1.0)):
        moved = length(field_on_mesh(MESH, side + unit, PLAIN))
        assert moved[sign * side_of > 0.05].max() > 0.3
        assert moved[sign * side_of < -0.05].max() < 0.02


def test_both_sides_together_are_left_plus_right() -> None:
    style = draw_style(np.random.default_rng(5))
    both = field_on_mesh(MESH, "12", style)
    parts = field_on_mesh(MESH, "L12", style) + field_on_mesh(MESH, "R12", style)
    np.testing.assert_allclose(both, parts, atol=1e-12)


@pytest.mark.parametrize("units", [("1", "2"), ("4",), ("2",)])
@pytest.mark.parametrize("version", ["train", "test"])
@pytest.mark.parametrize("seed", range(4))
def test_brows_do_not_drag_the_eyes(units: tuple[str, ...], version: str, seed: int) -> None:
    style = draw_style(np.random.default_rng(seed), version)  # type: ignore[arg-type]
    grid = BASIS.movement(units, style)
    brow = MESH[[i for s in "RL" for i in BROW[s]], :2]
    eyes = MESH[[i for s in "RL" for i in EYE_CORNERS[s]], :2]
    pupils = np.stack([eyes[:2].mean(0), eyes[2:].mean(0)])
    most = length(BASIS.at_points(grid, brow)).max()
    assert most > 0.5
    assert length(BASIS.at_points(grid, eyes)).max() < 0.1 * most
    assert length(BASIS.at_points(grid, pupils)).max() < 0.1 * most


@pytest.mark.parametrize("units", SETS, ids="+".join)
def test_movement_peaks_at_one_fades_and_never_folds(units: tuple[str, ...]) -> None:
    for version in ("train", "test"):
        grid = BASIS.movement(units, draw_style(np.random.default_rng(3), version))  # type: ignore[arg-type]
        size = np.hypot(grid[..., 0], grid[..., 1])
        assert size.max() == pytest.approx(1.0, abs=1e-5)
        rim = np.concatenate([size[0], size[-1], size[:, 0], size[:, -1]])
        assert rim.max() < 0.02
        peak_px = (LID_PEAK if units == ("7",) else 0.03) * BASIS.axes.width  # the strongest drawn
        dx = np.diff(grid[..., 0], axis=1) * peak_px / BASIS.step
        dy = np.diff(grid[..., 1], axis=0) * peak_px / BASIS.step
        assert min(dx.min(), dy.min()) > -0.75  # > -1: the order of points is kept


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([u for u in COMPONENTS if not u.isalpha()]))
def test_styles_differ_but_stay_the_same_unit(seed: int, unit: str) -> None:
    style = draw_style(np.random.default_rng(seed))
    assert np.abs(style.turn).max() <= np.deg2rad(TURN_DEG) + 1e-12
    same = dataclasses.replace(PLAIN, muscular=style.muscular)
    plain, varied = field_on_mesh(MESH, unit, same).ravel(), field_on_mesh(MESH, unit, style).ravel()
    assert not np.allclose(plain, varied, atol=0.02)
    assert like_its_description(unit, seed) > (0.1 if unit == "14" else 0.6)  # 14: two parts pull apart


def like_its_description(unit: str, seed: int) -> float:
    """Cosine of one training person's unit with the description that he moves by."""
    style = draw_style(np.random.default_rng(seed))
    same = dataclasses.replace(PLAIN, muscular=style.muscular)
    plain, varied = field_on_mesh(MESH, unit, same).ravel(), field_on_mesh(MESH, unit, style).ravel()
    return float(plain @ varied / np.linalg.norm(plain) / np.linalg.norm(varied))


@pytest.mark.parametrize("unit", MUSCLES)
def test_people_move_as_their_description_says_on_the_whole(unit: str) -> None:
    assert np.mean([like_its_description(unit, seed) for seed in range(40)]) > 0.75


@pytest.mark.parametrize("unit", ["3", "L1", "X12", "", "jaw2"])
def test_unknown_unit_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="unknown action unit"):
        split_side(unit)


def test_mesh_of_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="468"):
        face_axes(np.zeros((478, 3)))
    with pytest.raises(ValueError, match="coincide"):
        face_axes(np.zeros((468, 3)))


def likeness(one: ArrayF32, two: ArrayF32) -> float:
    return float((one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum()))


@pytest.mark.parametrize("units", SETS, ids="+".join)
def test_what_tests_moves_as_the_unit_does(units: tuple[str, ...]) -> None:
    rng = np.random.default_rng
    train = [BASIS.movement(units, draw_style(rng(s), "train")) for s in range(6)]
    test = [BASIS.movement(units, draw_style(rng(s + 50), "test")) for s in range(6)]
    others = [u for u in SETS if not set(u) & set(units) and not set("".join(u)) & set("LR")]
    foreign = [likeness(BASIS.movement(u, PLAIN), b) for u in others for b in test]
    between = np.mean([likeness(a, b) for a in train for b in test])
    assert between > 0.3
    assert between > np.mean(foreign) + 0.2


def test_nobody_who_tests_is_as_near_to_the_training_people_as_they_are() -> None:
    """To his nearest of them, in the mean over all units; none is one of them in other clothes."""
    rng = np.random.default_rng
    gaps = []
    for units in SETS:
        train = [BASIS.movement(units, draw_style(rng(s), "train")) for s in range(12)]
        test = [BASIS.movement(units, draw_style(rng(s + 50), "test")) for s in range(6)]
        nearest = [max(likeness(a, b) for a in train) for b in test]
        assert max(nearest) < 0.98, units
        gaps.append(
            np.mean([max(likeness(a, b) for b in train if b is not a) for a in train]) - np.mean(nearest)
        )
    assert np.mean(gaps) > 0.04


def test_training_people_move_by_the_table_by_muscles_and_by_mixtures() -> None:
    shares = np.array([draw_style(np.random.default_rng(s)).muscular for s in range(300)])
    for count in ((shares == 0).sum(), (shares == 1).sum(), ((shares > 0) & (shares < 1)).sum()):
        assert 70 < count < 130
    half = dataclasses.replace(PLAIN, muscular=0.5)
    pure = [field_on_mesh(MESH, "4", dataclasses.replace(PLAIN, muscular=m)) for m in (0.0, 1.0)]
    np.testing.assert_allclose(field_on_mesh(MESH, "4", half), (pure[0] + pure[1]) / 2, atol=1e-12)


def test_every_description_knows_every_unit_of_every_class() -> None:
    units = {split_side(unit)[0] for units in SETS for unit in units}
    for description in (COMPONENTS, MUSCLES, HANDLES):
        assert units <= set(description)


def test_plate_goes_where_it_is_pulled_and_nowhere_else() -> None:
    points = face_axes(MESH).coordinates(MESH)
    moved, to = [61, 291], np.array([[-0.7, -0.7], [0.7, -0.7]])
    bent = bend(points, moved, to, 0.13, still("12"))
    np.testing.assert_allclose(bent[moved], to, atol=0.05)
    np.testing.assert_allclose(bent[EYE_POINTS], 0.0, atol=0.02)
    far = np.linalg.norm(points[:, None] - points[moved], axis=2).min(1) > 0.25
    assert length(bent[far]).max() < 0.05
    np.testing.assert_allclose(bend(points, moved, 2 * to, 0.13, still("12")), 2 * bent, atol=1e-9)


@pytest.mark.parametrize("unit", UNILATERAL)
@pytest.mark.parametrize("seed", range(6))
def test_one_side_of_the_plate_leaves_the_other(unit: str, seed: int) -> None:
    style = draw_style(np.random.default_rng(seed), "test")
    side_of = face_axes(MESH).coordinates(MESH)[:, 0]
    for side, sign in (("R", -1.0), ("L", 1.0)):
        moved = length(field_on_mesh(MESH, side + unit, style))
        assert moved[sign * side_of < -0.05].max() < 0.05 * moved[sign * side_of > 0.05].max()


@pytest.mark.parametrize("seed", range(6))
def test_a_lifted_lid_leaves_lower_lid_and_brow(seed: int) -> None:
    moved = length(field_on_mesh(MESH, "5", draw_style(np.random.default_rng(seed), "test")))
    still_ones = [i for s in "RL" for i in (*LOWER_LID[s], *BROW[s])]
    assert moved[still_ones].max() < 0.1 * moved.max()


@pytest.mark.parametrize("version", ["train", "test"])
def test_the_strongest_warps_keep_the_order_of_points(version: Version) -> None:
    for units in SETS:
        for seed in range(8):
            grid = BASIS.movement(units, draw_style(np.random.default_rng(seed), version)).astype(float)
            steep = (LID_PEAK if units == ("7",) else 0.03) * BASIS.axes.width / BASIS.step
            (xy, xx), (yy, yx) = (np.gradient(steep * grid[..., i]) for i in (0, 1))
            assert ((1 + xx) * (1 + yy) - xy * yx).min() > 0.05, (units, seed)
