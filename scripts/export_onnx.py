"""Make an engine of a trained super-resolver: model.onnx, manifest.toml, and a check that both agree.

    python scripts/export_onnx.py RUN/last.pt --engine engines/rrdb-light-x4 --command "how it was trained"

The network file is run with ONNX Runtime and compared with torch, picture by picture, before it takes the
place of what the folder holds. ``scripts/evaluate.py sr --write-metrics`` fills in the manifest's figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from stream_mer.errors import EngineError, OutputError, StreamMerError
from stream_mer.runtime.manifest import FILE_NAME, write_manifest
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.schema import Manifest, TensorSpec, Training
from stream_mer.training.adversary import blend
from stream_mer.training.checkpoint import load_checkpoint
from stream_mer.training.sr_config import run_from_table, save_run
from stream_mer.training.sr_export import gflop, material, parameters, stage_notes, write_onnx
from stream_mer.training.sr_network import load_network, super_resolve

WORST_LEVELS = 1
"""Grey levels by which ONNX Runtime may differ from torch: the last rounding."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="last.pt of a run")
    parser.add_argument("--engine", type=Path, required=True, help="folder to write, named as the engine")
    parser.add_argument("--command", required=True, help="the command that trained it, for the manifest")
    parser.add_argument("--blend", type=Path, help="last.pt of the adversarial stage, mixed in by --share")
    parser.add_argument("--share", type=float, default=0.8, help="0 is CHECKPOINT, 1 is BLEND (default 0.8)")
    parser.add_argument(
        "--perceptual",
        help="which feature network an adversarial stage compared, if its file does not say",
    )
    parser.add_argument("--version", default="1", help="version of the weights")
    return parser.parse_args(arguments)


def verify(manifest: Manifest, net: torch.nn.Module) -> int:
    """Largest difference in grey levels between ONNX Runtime and torch, at batch sizes 1 and 5.

    Raises:
        EngineError: they differ by more than ``WORST_LEVELS``.
    """
    engine = OnnxRuntimeEngine(manifest)
    rng = np.random.default_rng(0)
    worst = 0
    try:
        for size in (1, 5):
            smooth = rng.integers(0, 256, (size, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
            lr = np.clip(smooth + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)
            (ours,) = engine.run(lr)
            worst = max(worst, int(np.abs(ours.astype(int) - super_resolve(net, lr)).max()))
    finally:
        engine.close()
    if worst > WORST_LEVELS:
        raise EngineError(f"{manifest.name}: the network file differs from torch by {worst} levels")
    return worst


def export(args: argparse.Namespace, folder: Path) -> tuple[Manifest, int]:
    """Write the whole engine into ``folder`` and verify it: its manifest and the largest difference.

    Raises:
        ConfigError: a checkpoint is none, or two do not blend.
        EngineError: the network file differs from torch, or the name is not a plain one.
        OutputError: a file cannot be written.
    """
    net, state = load_network(args.checkpoint)
    stages = [state]
    if args.blend:
        stages.append(load_checkpoint(args.blend))
        net.load_state_dict(blend(state.ema, stages[1].ema, args.share))
    notes = stage_notes(stages, args.share, args.perceptual)
    write_onnx(net, folder / "model.onnx")
    runs = [run_from_table(one.config, "checkpoint") for one in stages]
    for run, name in zip(runs, ("train_config.toml", "blend_config.toml"), strict=False):
        save_run(run, folder / name)
    training = Training(
        material(runs), "Apache-2.0 (weights); material as named", args.command, runs[0].seed, state.step
    )
    manifest = Manifest(
        name=folder.name,
        task="super-resolution",
        version=args.version,
        inputs=TensorSpec("lr", (None, 32, 32, 3), "uint8", "NHWC"),
        outputs=(TensorSpec("sr", (None, 128, 128, 3), "uint8", "NHWC"),),
        training=training,
        file="model.onnx",
        precision="f32",
        parameters=parameters(net),
        gflop=round(gflop(net), 3),
        notes=notes,
        preprocess={
            "crop": "canonical crop at 32x32, one sub-pixel warp of the frame (core.warp.sample)",
            "normalise": "none: uint8 RGB in and out, scaling and rounding are in the graph",
        },
    )
    manifest = write_manifest(folder, manifest)
    return manifest, verify(manifest, net)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export; 0 or the exit code of the error."""
    args = parse(arguments)
    torch.set_num_threads(1)
    place = args.engine.resolve()
    try:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".export-", dir=place.parent) as part:
                manifest, worst = export(args, Path(part) / place.name)
                place.mkdir(exist_ok=True)
                for file in sorted((Path(part) / place.name).iterdir(), key=lambda f: f.name == FILE_NAME):
                    file.replace(place / file.name)
        except OSError as error:
            if isinstance(error, StreamMerError):
                raise
            raise OutputError(f"{place}: cannot be written: {error.strerror}") from error
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(
        f"{manifest.name}: {manifest.parameters / 1e6:.2f} M values, {manifest.gflop:.2f} GFLOP a face, "
        f"step {manifest.training.steps}, ONNX Runtime and torch differ by at most {worst} level"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
