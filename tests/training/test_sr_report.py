"""scripts/evaluate.py sr from engine folder to report, sheet and manifest figures."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from stream_mer.runtime.manifest import load_manifest, write_manifest
from stream_mer.runtime.schema import Manifest, TensorSpec, Training
from stream_mer.training import sr_export
from stream_mer.training.compact import CompactNet, CompactSettings
from stream_mer.training.sr_data import held_out
from stream_mer.training.sr_figures import motion_faults

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("script_evaluate", ROOT / "scripts" / "evaluate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "tiny-x4"
    sr_export.write_onnx(CompactNet(CompactSettings(4, 1)), folder / "model.onnx")
    shapes = [TensorSpec(n, (None, s, s, 3), "uint8", "NHWC") for n, s in (("lr", 32), ("sr", 128))]
    training = Training("none", "none", "none")
    write_manifest(
        folder,
        Manifest("tiny-x4", "super-resolution", "1", shapes[0], (shapes[1],), training, file="model.onnx"),
    )
    return folder


def small_pack(
    folder: Path,
    sources: tuple[str, str] = ("london", "canada"),
    people: tuple[str, str] = ("a", "b"),
    split: str = "val",
) -> None:
    folder.mkdir(parents=True)
    face = skimage.data.astronaut()[40:184, 150:294]
    np.save(folder / "pictures.npy", np.stack([face, face[:, ::-1]]))
    with (folder / "portraits.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["path", "person", "source", "split"])
        writer.writerows([[n, n, source, split] for n, source in zip(people, sources, strict=True)])


def test_report_sheet_and_metrics_are_written(
    evaluate: ModuleType, engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    small_pack(out / "val-pack")
    before = load_manifest(engine)
    arguments = ["sr", "--data", str(tmp_path), "--out", str(out), "--engine", str(engine), "--write-metrics"]
    assert evaluate.main(arguments) == 0
    report = (out / "sr.md").read_text()
    assert capsys.readouterr().out.strip() == report.strip()
    assert "| london (1) | area, gaussian |" in report
    assert "| canada (1) | real |" in report
    assert "| tiny-x4 (area) |" in report
    assert "| HR itself |" in report
    picture = cv2.imread(str(out / "sr.png"))
    assert picture is not None
    assert picture.shape[1] == 4 * 128
    after = load_manifest(engine)
    assert after.sha256 == before.sha256
    assert after.metrics["london.area_gaussian.psnr"] > 12
    assert after.metrics["london.area_gaussian.psnr_bicubic"] > 12
    assert 0 < after.metrics["canada.area.ssim"] < 1
    assert "motion.area.slope" in after.metrics


def test_what_is_not_shipped_is_compared_on_people_kept_for_choosing(
    evaluate: ModuleType, engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    names = [f"congress-{n}" for n in range(200)]
    kept = next(name for name in names if held_out(name))
    small_pack(out / "train-pack", ("congress", "congress"), (names[0], kept), "train")
    words = ["sr", "--data", str(tmp_path), "--out", str(out), "--engine", str(engine), "--held-out"]
    assert evaluate.main(words) == 0
    report = capsys.readouterr().out
    assert "| held out (1) | area |" in report
    assert "congress" not in report
    assert evaluate.main([*words, "--write-metrics"]) == 2
    assert load_manifest(engine).metrics == {}


def test_unknown_engine_is_explained(
    evaluate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sr", "--data", str(tmp_path), "--out", str(tmp_path), "--engine", str(tmp_path / "none")]
    assert evaluate.main(arguments) == 4
    assert "none" in capsys.readouterr().err


def test_a_subcommand_is_needed(evaluate: ModuleType) -> None:
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([])


def test_the_gate_refuses_what_bends_small_motions(
    evaluate: ModuleType, engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Blind(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.02 * torch.nn.functional.interpolate(x, scale_factor=4) + 0.5

    sr_export.write_onnx(Blind(), engine / "model.onnx")
    write_manifest(engine, load_manifest(engine))
    out = tmp_path / "report"
    small_pack(out / "val-pack")
    words = ["sr", "--data", str(tmp_path), "--out", str(out), "--engine", str(engine), "--write-metrics"]
    assert evaluate.main([*words, "--gate"]) == 4
    assert "does not keep small motions: slope" in capsys.readouterr().err
    assert not load_manifest(engine).metrics
    assert (out / "sr.md").exists()
    good = {"motion.area.slope": 0.95, "motion.area_gaussian.slope": 0.91, "motion.area.floor_px": 0.03}
    assert motion_faults(good) == []
    for name, value in (("motion.area.slope", 1.2), ("motion.area.floor_px", 0.05)):
        assert len(motion_faults({**good, name: value})) == 1
        assert len(motion_faults({**good, name: float("nan")})) == 1


def test_own_portraits_need_no_london_set(evaluate: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "report"
    small_pack(out / "val-pack", ("mine", "mine"))
    assert evaluate.main(["sr", "--data", str(tmp_path), "--out", str(out)]) == 0
    assert "| mine (2) | area, gaussian |" in (out / "sr.md").read_text()
    sheet = cv2.imread(str(out / "sr.png"))
    assert sheet is not None
    assert sheet.shape[:2] == (2 * 128, 3 * 128)


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["sr", "--out", "FILE"], 5, "cannot be written"),
        (["sr", "--out", "DIR", "--threads", "0"], 2, "--threads must be >= 1"),
        (["sr", "--out", "DIR"], 2, "index.csv is missing"),
        (["sr-auto", "--out", "FILE/x.md", "--cache", "DIR"], 5, "cannot be written"),
        (["sr-auto", "--out", "DIR/x.md", "--cache", "DIR", "--sizes", "48", "0"], 2, "at least 24 px"),
    ],
)
def test_wrong_options_are_explained(
    words: list[str],
    code: int,
    complaint: str,
    evaluate: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    places = {"FILE": str(tmp_path / "file"), "DIR": str(tmp_path)}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    assert evaluate.main([*words, "--data", str(tmp_path)]) == code
    assert complaint in capsys.readouterr().err
