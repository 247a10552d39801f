"""Make an engine of a trained super-resolver: model.onnx, manifest.toml, and a check that both agree.

    python scripts/export_onnx.py RUN/last.pt --engine engines/rrdb-light-x4 --command "how it was trained"

The network file is run with ONNX Runtime and compared with torch, picture by picture, before the
engine is called good. ``scripts/evaluate.py sr --write-metrics`` fills in the manifest's figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from stream_mer.errors import ConfigError, EngineError, StreamMerError
from stream_mer.runtime.manifest import write_manifest
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.schema import Manifest, TensorSpec, Training
from stream_mer.training.adversary import blend
from stream_mer.training.checkpoint import load_checkpoint
from stream_mer.training.sr_config import run_from_table, save_run
from stream_mer.training.sr_export import gflop, parameters, write_onnx
from stream_mer.training.sr_network import load_network, super_resolve

DATA = (
    "Face Research Lab London Set (CC BY 4.0, DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666), "
    "Canadian portraits (CC BY 4.0, DeBruine & Jones 2017, doi 10.6084/m9.figshare.4220517), "
    "portraits of the US Congress (public domain, GPO), SFHQ-T2I synthetic portraits (MIT, Beniaguev 2024); "
    "training people only"
)
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
    parser.add_argument("--perceptual", help="which feature network BLEND was trained with, for the manifest")
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Export; 0 or the exit code of the error."""
    args = parse(arguments)
    torch.set_num_threads(1)
    try:
        if args.blend and not args.perceptual:
            raise ConfigError("--blend: say with --perceptual which feature network the stage compared")
        net, state = load_network(args.checkpoint)
        run = run_from_table(state.config, str(args.checkpoint))
        notes = {}
        if args.blend:
            notes = {
                "adversarial": f"share {args.share:g} of the second stage",
                "perceptual": args.perceptual,
            }
            net.load_state_dict(blend(state.ema, load_checkpoint(args.blend).ema, args.share))
        write_onnx(net, args.engine / "model.onnx")
        save_run(run, args.engine / "train_config.toml")
        manifest = write_manifest(
            args.engine,
            Manifest(
                name=args.engine.resolve().name,
                task="super-resolution",
                version=args.version,
                inputs=TensorSpec("lr", (None, 32, 32, 3), "uint8", "NHWC"),
                outputs=(TensorSpec("sr", (None, 128, 128, 3), "uint8", "NHWC"),),
                training=Training(
                    DATA, "Apache-2.0 (weights); material as named", args.command, run.seed, state.step
                ),
                file="model.onnx",
                precision="f32",
                parameters=parameters(net),
                gflop=round(gflop(net), 3),
                notes=notes,
                preprocess={
                    "crop": "canonical crop at 32x32, one sub-pixel warp of the frame (core.warp.sample)",
                    "normalise": "none: uint8 RGB in and out, scaling and rounding are in the graph",
                },
            ),
        )
        worst = verify(manifest, net)
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(
        f"{manifest.name}: {manifest.parameters / 1e6:.2f} M values, {manifest.gflop:.2f} GFLOP a face, "
        f"step {state.step}, ONNX Runtime and torch differ by at most {worst} level"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
