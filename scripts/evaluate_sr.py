"""``evaluate.py sr``: PSNR, SSIM, motion fidelity and speed of super-resolution engines on unseen people."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from stream_mer.core.degradation import area, paper
from stream_mer.errors import ConfigError, EngineError, OutputError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.manifest import load_manifest, write_manifest
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.runtime.schema import Manifest
from stream_mer.training.sr_bound import least_floor
from stream_mer.training.sr_data import Pack, build_pack, kept_for_choosing, load_pack
from stream_mer.training.sr_evaluate import (
    BASELINES,
    Upscaler,
    milliseconds,
    quality_table,
    sheet,
)
from stream_mer.training.sr_evaluate import (
    evaluate as measure_quality,
)
from stream_mer.training.sr_figures import figures, motion_faults
from stream_mer.training.sr_motion import NOISE_LEVELS, measure_motion, motion_table

BACKENDS = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}
HELD_OUT = "held out"
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    sr = kinds.add_parser("sr", help="super-resolution engines")
    sr.set_defaults(run=evaluate)
    sr.add_argument("--data", type=Path, required=True, help="folder with faces/index.csv")
    sr.add_argument("--out", type=Path, required=True, help="folder for sr.md and sr.png")
    sr.add_argument("--engine", type=Path, action="append", default=[], help="engine folder; repeat for more")
    sr.add_argument("--backend", choices=sorted(BACKENDS), default="onnxruntime")
    sr.add_argument("--precision", default="f32", help="f32, bf16 or auto")
    sr.add_argument("--threads", type=int, default=1)
    sr.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    sr.add_argument("--write-metrics", action="store_true", help="put the figures into the manifests")
    sr.add_argument(
        "--held-out",
        action="store_true",
        help="on the training people kept for choosing, not on those of validation",
    )
    sr.add_argument(
        "--gate",
        action="store_true",
        help="fail and write no metrics if an engine bends or damps small motions",
    )


def canonical_crops(split: str, faces: Path, folder: Path, assets: Path | None) -> Pack:
    """The people of a split (``val`` or ``train``), cut by the product's own crop function."""
    if (folder / "portraits.csv").exists():
        return load_pack(folder, split)
    detector = MediaPipeDetector(AssetStore(assets).path("face_detection_short_range.tflite"))
    try:
        return build_pack(faces, split, folder, detector)
    finally:
        detector.close()


def as_one_set(pack: Pack) -> Pack:
    """The same pictures in one row of the table, whatever their sources."""
    return Pack(pack.pictures, tuple(replace(p, source=HELD_OUT) for p in pack.portraits))


def upscaler(manifest: Manifest, args: argparse.Namespace) -> Upscaler:
    """An engine as a function from LR to SR pictures."""
    engine = BACKENDS[args.backend](manifest, precision=args.precision, threads=args.threads)
    return lambda lr: np.asarray(engine.run(lr)[0], np.uint8)


def evaluate(args: argparse.Namespace) -> None:
    """Measure, print, and write sr.md and sr.png.

    Raises:
        ConfigError: the material or an option is wrong.
        EngineError: an engine is not trained, is of another task, or does not pass ``--gate``.
        OutputError: the report cannot be written.
    """
    if args.held_out and args.write_metrics:
        raise ConfigError("an engine's figures are those on validation people.\nLeave out --held-out.")
    if args.threads < 1:
        raise ConfigError(f"--threads must be >= 1, is {args.threads}")
    manifests = [load_manifest(folder) for folder in args.engine]
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{args.out}: cannot be written: {error.strerror}") from error
    split = "train" if args.held_out else "val"
    pack = canonical_crops(split, args.data / "faces", args.out / f"{split}-pack", args.assets)
    pack = as_one_set(kept_for_choosing(pack)) if args.held_out else pack
    engines = {m.name: upscaler(m, args) for m in manifests}
    rows = measure_quality(pack, {**BASELINES, **engines})
    compared = {"bicubic": BASELINES["bicubic"], **engines}
    london = pack.select(lambda p: p.source == "london")
    shown = london if london.portraits else pack
    faces = np.ascontiguousarray(shown.hr()[::2])
    motion = measure_motion(faces, None, {"HR itself": lambda hr: hr})
    for name, degrade in (("area, gaussian", paper), ("area", area)):
        found = measure_motion(faces, lambda hr, _, d=degrade: d(hr), compared)  # type: ignore[misc]
        motion |= {f"{engine} ({name})": m for engine, m in found.items()}
    low = np.stack([area(hr) for hr in faces])
    bound = [least_floor(low, colour=colour) for colour in (False, True)]
    times = {name: milliseconds(upscale) for name, upscale in compared.items()}
    report = "\n\n".join(
        [
            "PSNR dB / SSIM / MSE x 1e6, RGB, per picture then mean; number of pictures in brackets.",
            quality_table(rows),
            motion_table(motion, motion["HR itself"].slope),
            f"Cramér-Rao bound of the floor within the reader's windows: {bound[0]:.3f} LR px in luma, "
            f"{bound[1]:.3f} in colour, on `area` pictures with noise of {NOISE_LEVELS:g} levels.",
            "\n".join(["| | ms a face |", "|---|---|", *(f"| {n} | {t:.2f} |" for n, t in times.items())]),
            f"{args.backend} {args.precision}, {args.threads} thread(s).",
        ]
    )
    print(report)
    (args.out / "sr.md").write_text(report + "\n", encoding="utf-8")
    if not cv2.imwrite(str(args.out / "sr.png"), cv2.cvtColor(sheet(shown, compared), cv2.COLOR_RGB2BGR)):
        raise OutputError(f"{args.out / 'sr.png'}: cannot be written")
    kept = {manifest.name: figures(manifest.name, rows, motion) for manifest in manifests}
    if args.gate:
        for name, metrics in kept.items():
            if faults := motion_faults(metrics):
                raise EngineError(f"engine {name} does not keep small motions: {'; '.join(faults)}")
    if args.write_metrics:
        for manifest in manifests:
            assert manifest.folder is not None
            write_manifest(manifest.folder, replace(manifest, metrics=kept[manifest.name]))
