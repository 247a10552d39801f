"""Exported super-resolvers: uint8 in and out, any batch, the same pictures as torch."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from stream_mer.runtime.manifest import list_manifests, load_manifest
from stream_mer.training import sr_config, sr_export, sr_network
from stream_mer.training.checkpoint import Checkpoint, save_checkpoint
from stream_mer.training.compact import CompactSettings
from stream_mer.training.rrdb import RRDBSettings
from stream_mer.training.sr_config import SRRun
from stream_mer.training.sr_figures import motion_faults

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = {
    "rrdb": RRDBSettings(8, 1, 4, 4, True),
    "plain": RRDBSettings(8, 1, 4),
    "compact": CompactSettings(8, 1),
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def network(kind: str) -> torch.nn.Module:
    torch.manual_seed(4)
    net = sr_network.build_network(NETWORKS[kind])
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.03 * torch.randn_like(weight))
    return net.eval()


def pictures(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", NETWORKS)
def test_network_file_gives_torchs_pictures_at_any_batch(kind: str, tmp_path: Path) -> None:
    net = network(kind)
    sr_export.write_onnx(net, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(p.name, p.type, p.shape) for p in (*session.get_inputs(), *session.get_outputs())] == [
        ("lr", "tensor(uint8)", ["N", 32, 32, 3]),
        ("sr", "tensor(uint8)", ["N", 128, 128, 3]),
    ]
    for number in (1, 2, 7):
        lr = pictures(number)
        ours = session.run(None, {"lr": lr})[0]
        theirs = sr_network.super_resolve(net, lr)
        difference = np.abs(ours.astype(int) - theirs)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01
    assert onnx.load(tmp_path / "model.onnx").opset_import[0].version >= 17


def test_output_is_clamped_not_wrapped() -> None:
    class Beyond(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3 * torch.nn.functional.interpolate(x, scale_factor=4) - 1

    lr = np.stack([np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)])
    with torch.no_grad():
        sr = sr_export.PictureGraph(Beyond())(torch.from_numpy(lr)).numpy()
    assert sr.shape == (2, 128, 128, 3)
    assert (sr[0] == 0).all()
    assert (sr[1] == 255).all()


def test_picture_tensor_round_trip() -> None:
    lr = pictures(3)
    np.testing.assert_array_equal(sr_network.to_pictures(sr_network.to_tensor(lr)), lr)


def checkpoint(folder: Path, kind: str) -> tuple[torch.nn.Module, Path]:
    net = network(kind)
    run = SRRun("tiny", NETWORKS[kind], seed=5)
    weights = net.state_dict()
    zeros = {n: torch.zeros_like(w) for n, w in weights.items()}
    save_checkpoint(Checkpoint(42, zeros, weights, {}, sr_config.table_of(run)), folder / "last.pt")
    return net, folder / "last.pt"


def test_export_script_writes_an_engine_of_the_averaged_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, path = checkpoint(tmp_path, "compact")
    export = script("export_onnx")
    assert export.main([str(path), "--engine", str(tmp_path / "tiny-x4"), "--command", "train it"]) == 0
    assert "differ by at most" in capsys.readouterr().out
    manifest = load_manifest(tmp_path / "tiny-x4")
    assert (manifest.training.steps, manifest.training.seed, manifest.training.command) == (42, 5, "train it")
    assert manifest.parameters == sr_export.parameters(net)
    assert manifest.gflop == pytest.approx(sr_export.gflop(net), abs=1e-3)
    assert sr_config.load_run(tmp_path / "tiny-x4" / "train_config.toml").network == NETWORKS["compact"]
    session = onnxruntime.InferenceSession(manifest.path)
    lr = pictures(2)
    ours = session.run(None, {"lr": lr})[0].astype(int)
    assert np.abs(ours - sr_network.super_resolve(net, lr)).max() <= 1


def test_export_script_notices_a_network_file_that_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, path = checkpoint(tmp_path, "compact")
    export = script("export_onnx")
    engine = tmp_path / "tiny-x4"
    assert export.main([str(path), "--engine", str(engine), "--command", "c"]) == 0
    before = {file.name: file.read_bytes() for file in engine.iterdir()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "super_resolve", lambda _net, lr: np.zeros((len(lr), 128, 128, 3), np.uint8))
        assert export.main([str(path), "--engine", str(tmp_path / "tiny-x4"), "--command", "c"]) == 4
    assert "differs from torch" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in engine.iterdir()} == before
    assert {f.name for f in tmp_path.iterdir()} == {"last.pt", "tiny-x4"}
    assert export.main([str(path), "--engine", str(path), "--command", "c"]) == 5
    assert "cannot be written" in capsys.readouterr().err


def test_train_script_explains_a_missing_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = script("train_sr")
    assert (
        train.main([str(tmp_path / "no.toml"), "--faces", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    )
    assert "no training run at" in capsys.readouterr().err


@pytest.mark.parametrize("manifest", list_manifests(ROOT / "engines"), ids=lambda m: m.name)
def test_shipped_super_resolvers_say_how_they_were_made(manifest) -> None:  # type: ignore[no-untyped-def]
    if manifest.task != "super-resolution":
        pytest.skip("another kind of engine")
    assert "scripts/train_sr.py" in manifest.training.command
    run = sr_config.load_run(ROOT / "engines" / manifest.name / "train_config.toml")
    net = sr_network.build_network(run.network)
    assert sr_export.parameters(net) == manifest.parameters
    if manifest.trained:
        ours, bicubic = (manifest.metrics[f"london.area_gaussian.psnr{s}"] for s in ("", "_bicubic"))
        assert ours >= bicubic + 2
        assert manifest.metrics["london.area.psnr"] > manifest.metrics["london.area.psnr_bicubic"]
        assert motion_faults(manifest.metrics) == []
