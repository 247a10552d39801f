"""When the listed calibration crops count as the ones that are cut now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import calibrate
import pytest

from stream_mer.errors import ConfigError
from stream_mer.training.samples import FEWEST, SampleRow, require_alike, require_enough

LISTED = tuple(SampleRow("range", f"{n}.jpg", str(n), "here", "crop", n, "p", f"{n}") for n in range(20))


def others(count: int) -> tuple[SampleRow, ...]:
    return tuple(replace(row, crop_sha256="other") if i < count else row for i, row in enumerate(LISTED))


@pytest.mark.parametrize("count", [0, 2, 10])
def test_another_processors_last_bits_are_no_other_crops(count: int) -> None:
    assert require_alike(LISTED, others(count)) == 20 - count


def test_another_way_of_cutting_is_told() -> None:
    with pytest.raises(ConfigError, match="11 of 20 crops are cut otherwise now"):
        require_alike(LISTED, others(11))


def test_a_face_that_is_not_found_any_more_is_told() -> None:
    with pytest.raises(ConfigError, match="1 of 20 listed pictures show no frontal face"):
        require_alike(LISTED, LISTED[1:])


def test_a_list_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"no samples\.csv to check"):
        require_alike((), LISTED)


def test_too_few_crops_are_told_before_anything_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was a traceback, and the list of one crop that it left was what the next run went by."""
    (tmp_path / "engines").symlink_to(Path(calibrate.ROOT) / "engines")
    rows = [replace(LISTED[n], role=role) for role in ("range", "judge") for n in range(FEWEST)]
    require_enough(rows)
    monkeypatch.setattr(calibrate, "choose_samples", lambda *_: tuple(rows[1:]))
    flags = ["--engine", "compact-x4", "--data", str(tmp_path), "--root", str(tmp_path)]
    assert calibrate.main(flags) == 2
    assert (
        f"{FEWEST - 1} crops to find ranges on and {FEWEST} to judge by are too few"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "calibration").exists()


def test_an_engine_that_is_not_trained_leaves_no_list(tmp_path: Path) -> None:
    (tmp_path / "engines").symlink_to(Path(calibrate.ROOT) / "engines")
    assert calibrate.main(["--engine", "esrgan-x4", "--data", str(tmp_path), "--root", str(tmp_path)]) == 4
    assert not (tmp_path / "calibration").exists()


def test_an_engine_of_another_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "engines").symlink_to(Path(calibrate.ROOT) / "engines")
    load = calibrate.load_manifest

    def larger(folder: Path) -> object:
        found = load(folder)
        return replace(found, inputs=replace(found.inputs, shape=(None, 64, 64, 3)))

    monkeypatch.setattr(calibrate, "load_manifest", larger)
    assert calibrate.main(["--engine", "compact-x4", "--data", str(tmp_path), "--root", str(tmp_path)]) == 4
    assert "takes uint8 (N, 64, 64, 3), crops are 32 px wide" in capsys.readouterr().err
