"""The commands on the reference engine's card really run: two stages and a blended engine, tiny."""

from __future__ import annotations

import csv
import importlib.util
import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skimage.data
import torch

from stream_mer.runtime.manifest import load_manifest
from stream_mer.training.adversary import GanSettings
from stream_mer.training.checkpoint import Checkpoint, save_checkpoint
from stream_mer.training.compact import CompactSettings
from stream_mer.training.face_features import FaceFeatures
from stream_mer.training.rrdb import RRDBSettings
from stream_mer.training.sr_config import Schedule, SRRun, load_run, table_of
from stream_mer.training.sr_export import material
from stream_mer.training.sr_network import build_network

ROOT = Path(__file__).resolve().parents[2]
CARD = ROOT / "engines" / "esrgan-x4"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> list[list[str]]:
    """The card's commands, as a shell would split them."""
    text = (CARD / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip().startswith("python scripts/")]


def tiny(config: Path, folder: Path) -> Path:
    """The same run with a network and batches that take no time."""
    text = config.read_text(encoding="utf-8")
    for key, value in {"features": 4, "blocks": 1, "growth": 2, "batch": 2}.items():
        text = re.sub(rf"^{key} = \d+", f"{key} = {value}", text, flags=re.M)
    small = folder / config.name
    small.write_text(text, encoding="utf-8")
    assert load_run(small).network == RRDBSettings(4, 1, 2)
    return small


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    face = skimage.data.astronaut()[20:240, 100:320]
    cuts = [face[y : y + 144, x : x + 144] for y in range(0, 76, 15) for x in range(0, 76, 15)]
    np.save(folder / "pictures.npy", np.stack(cuts))
    with (folder / "portraits.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["path", "person", "source", "split"])
        writer.writerows([f"{i}.jpg", f"person-{i}", "london", "train"] for i in range(len(cuts)))
    return folder


def test_the_cards_commands_run_one_after_the_other(pack: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    features = tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save({"width": 2, "people": 3, "weights": FaceFeatures(2, 3).state_dict()}, features)
    places = {"DATA/faces": tmp_path, "runs/": f"{tmp_path}/runs/", features.name: features}
    done = commands()
    assert [Path(c[1]).stem for c in done] == ["train_sr", "train_sr", "export_onnx"]
    for command in done:
        words = [w for w in command[2:] if w not in ("--device", "cuda")]
        for name, place in places.items():
            words = [w.replace(name, str(place)) for w in words]
        words = [str(tiny(ROOT / w, tmp_path)) if w.endswith("_config.toml") else w for w in words]
        words = [str(tmp_path / "esrgan-x4") if w == "engines/esrgan-x4" else w for w in words]
        if "train_sr" in command[1]:
            words += ["--pack", str(pack), "--steps", "2"]
        assert script(Path(command[1]).stem).main(words) == 0
    made = load_manifest(tmp_path / "esrgan-x4")
    assert made.training.steps == 2
    assert made.notes["perceptual"] == "face features (train_face_features.py, 3 people, width 2)"
    assert made.notes["adversarial"] == "2 steps"
    assert made.notes["blend"].startswith("share 0.8")
    first, second = (load_run(tmp_path / "esrgan-x4" / f"{n}_config.toml") for n in ("train", "blend"))
    assert first.network == second.network == RRDBSettings(4, 1, 2)
    assert (first.gan is None, second.gan is None) == (True, False)
    for stage in ("psnr", "gan"):
        assert (tmp_path / "runs" / stage / "log.csv").read_text().count("\n") == 2
        assert (tmp_path / "runs" / stage / "curves.png").stat().st_size > 5000


def checkpoint(file: Path, value: float, **changes: object) -> Path:
    """The file of a finished tiny run, all weights of one value."""
    run = replace(SRRun("tiny", CompactSettings(4, 1)), **changes)  # type: ignore[arg-type]
    weights = {n: torch.full_like(w, value) for n, w in build_network(run.network).state_dict().items()}
    save_checkpoint(Checkpoint(3, weights, weights, {}, table_of(run)), file)
    return file


def test_an_adversarial_engine_says_which_features_it_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, gan = checkpoint(tmp_path / "a.pt", 0.0), checkpoint(tmp_path / "b.pt", 0.1, gan=GanSettings())
    words = ["--engine", str(tmp_path / "tiny-x4"), "--command", "x"]
    export = script("export_onnx").main
    for given in ([str(gan)], [str(first), "--blend", str(gan)]):
        assert export([*given, *words]) == 2
        assert "--perceptual" in capsys.readouterr().err
        assert not (tmp_path / "tiny-x4").exists()
    assert export([str(gan), *words, "--perceptual", "VGG"]) == 0
    assert load_manifest(tmp_path / "tiny-x4").notes == {"adversarial": "3 steps", "perceptual": "VGG"}
    assert export([str(first), "--blend", str(first), "--share", "0.5", *words]) == 0
    assert list(load_manifest(tmp_path / "tiny-x4").notes) == ["blend"]
    assert export([str(tmp_path / "none.pt"), *words]) == 2
    assert "none.pt" in capsys.readouterr().err


def test_the_manifest_names_the_material_of_the_run(tmp_path: Path) -> None:
    own = checkpoint(tmp_path / "a.pt", 0.0, sources={"mine": 0.5, "london": 0.5, "sfhq": 0.0})
    assert script("export_onnx").main([str(own), "--engine", str(tmp_path / "x4"), "--command", "x"]) == 0
    data = load_manifest(tmp_path / "x4").training.data
    assert data.startswith("portraits 'mine', Face Research Lab London Set (CC BY 4.0")
    assert "SFHQ" not in data
    shipped = load_manifest(ROOT / "engines" / "compact-x4")
    assert (
        material([load_run(ROOT / "engines" / "compact-x4" / "train_config.toml")]) == shipped.training.data
    )


@pytest.mark.parametrize("steps", [1, 7, 150, 500])
def test_a_shorter_schedule_keeps_its_shape(steps: int) -> None:
    short = Schedule(300, 20, 180, 1e-3).ending_at(steps)
    assert short.steps == steps
    assert short.warm_up + short.decay <= steps
    assert short.rate_at(steps - 1) <= short.rate
    if steps >= 200:
        assert (short.warm_up, short.decay) == (20, 180)
