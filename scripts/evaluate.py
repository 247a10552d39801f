"""Measure engines on people they have never seen.

    python scripts/evaluate.py sr --data DATA --out REPORT --engine engines/rrdb-light-x4

``sr`` prints PSNR / SSIM / MSE for every degradation and validation source, motion fidelity and
milliseconds a face, as Markdown; REPORT receives the same (sr.md) and a comparison sheet (sr.png:
LR, bicubic, engines, HR), which shows people and is not to be committed.

    python scripts/evaluate.py spotting VIDEO... --engine rrdb-light-x4 --out spotting.md

``spotting`` runs the product over real videos, as they are and with micro-expressions injected, and
prints false events a minute and recall (IoU >= 0.5) for native, LR + bicubic and LR + SR faces.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from stream_mer.app.trial import compare_ways, table
from stream_mer.config import Settings
from stream_mer.core.degradation import area, paper
from stream_mer.errors import ConfigError, StreamMerError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.manifest import load_manifest, write_manifest
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.runtime.schema import Manifest
from stream_mer.training.sr_data import Pack, build_pack, load_pack
from stream_mer.training.sr_evaluate import (
    BASELINES,
    Upscaler,
    evaluate,
    milliseconds,
    quality_table,
    sheet,
)
from stream_mer.training.sr_figures import figures
from stream_mer.training.sr_motion import measure_motion, motion_table

THRESHOLDS = (0.7, 0.8, 0.85, 0.92, 0.96)
BACKENDS = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line: a subcommand per kind of engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    sr = kinds.add_parser("sr", help="super-resolution engines")
    sr.set_defaults(run=evaluate_sr)
    sr.add_argument("--data", type=Path, required=True, help="folder with faces/index.csv")
    sr.add_argument("--out", type=Path, required=True, help="folder for sr.md and sr.png")
    sr.add_argument("--engine", type=Path, action="append", default=[], help="engine folder; repeat for more")
    sr.add_argument("--backend", choices=sorted(BACKENDS), default="onnxruntime")
    sr.add_argument("--precision", default="f32", help="f32, bf16 or auto")
    sr.add_argument("--threads", type=int, default=1)
    sr.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    sr.add_argument("--write-metrics", action="store_true", help="put the figures into the manifests")
    spot = kinds.add_parser("spotting", help="the whole product on real video with injected events")
    spot.set_defaults(run=evaluate_spotting)
    spot.add_argument("videos", type=Path, nargs="+")
    spot.add_argument("--engine", default="auto", help="super-resolution engine of the SR rows, by name")
    spot.add_argument("--seeds", type=int, default=2, help="injections per video")
    spot.add_argument("--out", type=Path, required=True, help="Markdown file")
    spot.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    return parser.parse_args(arguments)


def validation_pack(faces: Path, folder: Path, assets: Path | None) -> Pack:
    """The validation people's canonical crops, cut by the product's own crop function."""
    if (folder / "portraits.csv").exists():
        return load_pack(folder)
    detector = MediaPipeDetector(AssetStore(assets).path("face_detection_short_range.tflite"))
    try:
        return build_pack(faces, "val", folder, detector)
    finally:
        detector.close()


def upscaler(manifest: Manifest, args: argparse.Namespace) -> Upscaler:
    """An engine as a function from LR to SR pictures."""
    engine = BACKENDS[args.backend](manifest, precision=args.precision, threads=args.threads)
    return lambda lr: np.asarray(engine.run(lr)[0], np.uint8)


def evaluate_sr(args: argparse.Namespace) -> None:
    """The ``sr`` subcommand."""
    manifests = [load_manifest(folder) for folder in args.engine]
    args.out.mkdir(parents=True, exist_ok=True)
    pack = validation_pack(args.data / "faces", args.out / "val-pack", args.assets)
    engines = {m.name: upscaler(m, args) for m in manifests}
    rows = evaluate(pack, {**BASELINES, **engines})
    compared = {"bicubic": BASELINES["bicubic"], **engines}
    london = pack.select(lambda p: p.source == "london")
    faces = np.ascontiguousarray(london.hr()[::2])
    motion = measure_motion(faces, None, {"HR itself": lambda hr: hr})
    for name, degrade in (("area, gaussian", paper), ("area", area)):
        found = measure_motion(faces, lambda hr, _, d=degrade: d(hr), compared)  # type: ignore[misc]
        motion |= {f"{engine} ({name})": m for engine, m in found.items()}
    times = {name: milliseconds(upscale) for name, upscale in compared.items()}
    report = "\n\n".join(
        [
            "PSNR dB / SSIM / MSE x 1e6, RGB, per picture then mean; number of pictures in brackets.",
            quality_table(rows),
            motion_table(motion, motion["HR itself"].slope),
            "\n".join(["| | ms a face |", "|---|---|", *(f"| {n} | {t:.2f} |" for n, t in times.items())]),
            f"{args.backend} {args.precision}, {args.threads} thread(s).",
        ]
    )
    print(report)
    (args.out / "sr.md").write_text(report + "\n", encoding="utf-8")
    if not cv2.imwrite(str(args.out / "sr.png"), cv2.cvtColor(sheet(london, compared), cv2.COLOR_RGB2BGR)):
        raise ConfigError(f"{args.out / 'sr.png'}: cannot be written")
    if args.write_metrics:
        for manifest in manifests:
            assert manifest.folder is not None
            write_manifest(manifest.folder, replace(manifest, metrics=figures(manifest.name, rows, motion)))


def evaluate_spotting(args: argparse.Namespace) -> None:
    """The pair that counts, for what the classifier may be shown."""
    settings = Settings(engine=args.engine, assets=args.assets, threads=1)
    seeds = range(1, args.seeds + 1)
    results = compare_ways(args.videos, settings, AssetStore(args.assets), seeds, print)
    args.out.write_text(table(results, THRESHOLDS), encoding="utf-8")
    print(args.out.read_text(encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; 0 or the exit code of the error."""
    args = parse(arguments)
    try:
        args.run(args)
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
