"""The SR figures: agreement with scikit-image, known cases of the motion reader, report and sheet."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stream_mer.core.degradation import area
from stream_mer.training import sr_evaluate, sr_motion
from stream_mer.training.sr_data import Pack, Portrait
from stream_mer.types import ImageU8


def face() -> ImageU8:
    """A public-domain face, roughly at canonical scale."""
    return np.ascontiguousarray(skimage.data.astronaut()[40:184, 150:294])


@pytest.fixture(scope="module")
def pack() -> Pack:
    picture = face()
    portraits = tuple(
        Portrait(f"{k}", f"p{k}", s, "val") for k, s in enumerate(("canada", "london", "london"))
    )
    return Pack(np.stack([picture, picture[:, ::-1], picture[::-1]]), portraits)


def test_figures_are_scikit_images() -> None:
    a = face()[:128, :128]
    b = sr_evaluate.BASELINES["bicubic"](area(a)[None])[0]
    psnr, ssim, mse = sr_evaluate.quality(a, b)
    assert psnr == pytest.approx(peak_signal_noise_ratio(a, b))
    assert ssim == pytest.approx(structural_similarity(a, b, channel_axis=2, data_range=255))
    assert mse == pytest.approx(np.mean((a / 255.0 - b / 255.0) ** 2))


def test_every_source_degradation_and_method_has_a_row(pack: Pack) -> None:
    rows = sr_evaluate.evaluate(pack, sr_evaluate.BASELINES)
    assert len(rows) == 2 * len(sr_evaluate.DEGRADATIONS) * 3
    assert rows[0].source == "london"
    assert {r.pictures for r in rows if r.source == "london"} == {2}
    assert all(r.psnr > 12 and 0 < r.ssim < 1 and r.mse > 0 for r in rows)
    by = {(r.source, r.degradation, r.method): r.psnr for r in rows}
    assert by["london", "area", "bicubic"] > by["london", "area, gaussian", "bicubic"] + 0.5
    assert by["london", "area, gaussian", "bicubic"] > by["london", "area, gaussian, median", "bicubic"]
    table = sr_evaluate.quality_table(rows).splitlines()
    assert len(table) == 2 + 2 * len(sr_evaluate.DEGRADATIONS)
    assert table[0] == "| people | degradation | nearest | bicubic | lanczos |"
    assert table[2].startswith("| london (2) | area, gaussian | ")
    again = sr_evaluate.evaluate(pack, sr_evaluate.BASELINES)
    assert rows == again


def test_a_perfect_upscaler_shows_as_perfect(pack: Pack) -> None:
    lookup = {area(p).tobytes(): p for p in pack.hr()}
    only_area = {"area": sr_evaluate.DEGRADATIONS["area"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sr_evaluate, "DEGRADATIONS", only_area)
        rows = sr_evaluate.evaluate(pack, {"oracle": lambda lr: np.stack([lookup[p.tobytes()] for p in lr])})
    assert all(r.ssim == 1 and r.mse == 0 and r.psnr == float("inf") for r in rows)


def test_sheet_has_lr_methods_and_hr_side_by_side(pack: Pack) -> None:
    sheet = sr_evaluate.sheet(pack, {"bicubic": sr_evaluate.BASELINES["bicubic"]}, people=2)
    assert sheet.shape == (256, 3 * 128, 3)
    np.testing.assert_array_equal(sheet[:128, -128:], pack.hr()[0])
    assert sr_evaluate.milliseconds(sr_evaluate.BASELINES["nearest"], runs=3) > 0


@pytest.mark.parametrize("shift", [(0.8, 0.0), (0.0, -1.6), (0.6, 0.8)])
def test_motion_put_in_is_read_off(shift: tuple[float, float]) -> None:
    hr, way = face()[:128, :128], np.array(shift)
    place = np.array([60.0, 60.0])
    before = sr_motion.moved(hr, place, np.zeros(2))
    found = sr_motion.found_motion(before, sr_motion.moved(hr, place, way), place)
    np.testing.assert_allclose(found, way, atol=0.35 * np.hypot(*shift))
    np.testing.assert_allclose(sr_motion.found_motion(before, before, place), 0, atol=1e-3)


def test_moving_nothing_leaves_the_picture_and_far_parts_stay() -> None:
    hr = face()[:128, :128]
    still = sr_motion.moved(hr, np.array([60.0, 60.0]), np.zeros(2)).astype(int)
    assert np.abs(still - hr).mean() < 1.5
    after = sr_motion.moved(hr, np.array([60.0, 60.0]), np.array([2.0, 0.0])).astype(int)
    assert np.abs(after - still)[:20].max() <= 1
    assert np.abs(after - still)[50:70, 50:70].mean() > 2


def test_an_upscaler_that_freezes_has_no_slope_and_noise_shows() -> None:
    faces = np.stack([face()[:128, :128], face()[8:136, 8:136]])
    frozen = sr_evaluate.BASELINES["bicubic"](area(faces[0])[None])[0]
    rows = sr_motion.measure_motion(
        faces,
        lambda hr, _rng: area(hr),
        {"bicubic": sr_evaluate.BASELINES["bicubic"], "frozen": lambda lr: np.stack([frozen] * len(lr))},
    )
    assert rows["frozen"].slope == pytest.approx(0, abs=1e-3)
    assert rows["frozen"].luma == pytest.approx(0)
    assert rows["frozen"].correlation == 0
    assert 0.4 < rows["bicubic"].slope < 1.2
    assert rows["bicubic"].floor > 0.001
    assert 0.5 < rows["bicubic"].luma < 2.5
    table = sr_motion.motion_table(rows, rows["bicubic"].slope).splitlines()
    assert len(table) == 4
    assert " | 1.00 | " in table[2]
