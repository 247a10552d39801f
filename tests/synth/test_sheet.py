"""The contact sheet shows every class and every distractor, and each moves the part it should."""

from __future__ import annotations

import numpy as np

from stream_mer.synth.action_units import CLASS_ACTION_UNITS, UNILATERAL
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.dense import decoded_png, encoded_png
from stream_mer.synth.plan import plan_clip
from stream_mer.synth.render import Renderer
from stream_mer.synth.sheet import ACROSS, FPS, TILE_PX, contact_sheet, samples
from stream_mer.synth.spec import DISTRACTOR_KINDS


def test_every_class_side_and_distractor_has_a_row() -> None:
    names = [s.name for s in samples("train")]
    assert len(names) == len(set(names))
    for label, sets in CLASS_ACTION_UNITS.items():
        assert {f"{label} {'+'.join(s)}" for s in sets} <= set(names)
    assert {f"one side {side}{unit}" for unit in UNILATERAL for side in "LR"} <= set(names)
    assert {f"must not flag: {kind}" for kind in DISTRACTOR_KINDS} <= set(names)


def test_sheet_is_a_picture_in_which_every_row_differs_from_rest() -> None:
    portrait, mesh = demo_portrait()
    sheet = contact_sheet(portrait, mesh, seed=2)
    rows = len(list(samples("train"))) + 2
    deep = -(-rows // ACROSS)
    assert sheet.shape == (deep * TILE_PX, ACROSS * 3 * TILE_PX, 3)
    for number in range(rows):
        row, column = number % deep, number // deep
        top, left = row * TILE_PX, column * 3 * TILE_PX
        difference = sheet[top + 16 : top + TILE_PX, left + 2 * TILE_PX : left + 3 * TILE_PX].astype(int)
        assert np.abs(difference - 128).max() > 25, number
    np.testing.assert_array_equal(decoded_png(encoded_png(sheet)), sheet)


def test_one_side_moves_one_side() -> None:
    portrait, mesh = demo_portrait()
    wanted = {s.name: s for s in samples("test") if s.name in ("one side L12", "one side R12")}
    for name, sign in (("one side L12", 1), ("one side R12", -1)):
        renderer = Renderer(portrait, mesh, plan_clip(wanted[name].spec, 5))
        rest, apex = renderer.frame(0), renderer.frame(round(wanted[name].at_s * FPS))
        moved = np.hypot(*(apex.mesh - rest.mesh).T)
        middle = rest.mesh[1, 0]
        left, right = moved[rest.mesh[:, 0] > middle].max(), moved[rest.mesh[:, 0] < middle].max()
        assert sign * (left - right) > 0.8 * max(left, right)
