"""Make an engine's int8 copy: choose calibration crops, find ranges, keep sensitive layers in f32, measure.

    python scripts/calibrate.py --engine rrdb-light-x4 --data DATA

DATA holds faces/index.csv. Writes engines/<name>/model.int8.onnx and int8.toml, and into
calibration/int8/<name>/ the list of pictures (samples.csv: paths and digests, no pictures), what was tried
(trials.md) and how all ways to run it compare (ways.md). ``--table`` measures the ways only,
``--check`` compares the list with the pictures there are: each must be the very file and still show one
face, and most crops must be the same to the last bit, which differs for a few from processor to processor.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
from ways_table import compare_ways

from stream_mer.app.console import exit_code_of
from stream_mer.errors import EngineError, OutputError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.int8 import Int8Page, write_int8
from stream_mer.runtime.machine import cpu_model
from stream_mer.runtime.manifest import load_manifest, read_network
from stream_mer.runtime.schema import Manifest
from stream_mer.training.quantise import (
    METHODS,
    Trial,
    choose_trial,
    high_sets,
    quantise,
    quantiser_version,
    run_onnx,
    trial_table,
)
from stream_mer.training.samples import (
    Samples,
    choose_samples,
    cut_samples,
    read_samples,
    require_alike,
    require_enough,
    write_samples,
)
from stream_mer.types import LR_SIZE

ROOT = Path(__file__).resolve().parents[1]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", required=True, help="name of a super-resolution engine")
    parser.add_argument("--data", type=Path, required=True, help="folder with faces/index.csv")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder with engines/ and calibration/")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    parser.add_argument("--count", type=int, default=64, help="calibration crops (default 64)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="for the speeds in the table")
    parser.add_argument("--table", action="store_true", help="keep the int8 copy, measure it again")
    parser.add_argument("--check", action="store_true", help="only check the list against DATA")
    return parser.parse_args(arguments)


def samples_of(args: argparse.Namespace, path: Path) -> Samples:
    """The calibration crops: those listed if there is a list, else newly chosen and listed."""
    listed = read_samples(path) if path.is_file() else ()
    rows = listed or choose_samples(args.data / "faces", args.count, args.seed)
    if not args.check:
        require_enough(rows)
    model = AssetStore(args.assets).path("face_detection_short_range.tflite")
    with closing(MediaPipeDetector(model)) as detector:
        found = cut_samples(args.data / "faces", rows, detector)
    if args.check:
        alike = require_alike(listed, found.rows)
        print(f"{alike} of {len(listed)} crops are the listed ones to the last bit")
    else:
        require_enough(found.rows)  # before the list is written, which every later run goes by
        write_samples(path, found.rows)
    return found


def calibrate(manifest: Manifest, samples: Samples, list_sha256: str) -> str:
    """Try every way, write the best int8 copy and its page; the table of trials."""
    assert manifest.folder is not None
    network = read_network(manifest)
    ranges, held = samples.part("range").lr, samples.part("judge").lr
    truth = run_onnx(network, held)
    trials: list[Trial] = []
    made: dict[Trial, bytes] = {}
    for high in high_sets(network):
        for method in METHODS:
            copy = quantise(network, ranges, method, high)
            trials.append(Trial.of(method, high, truth, run_onnx(copy, held), len(copy)))
            made[trials[-1]] = copy
    best = choose_trial(trials)
    digest, figure = sha256(made[best]).hexdigest(), float(np.round(best.psnr_db, 2))
    origin = manifest.sha256, best.method, best.high, figure, list_sha256, quantiser_version()
    write_int8(manifest.folder, made[best], Int8Page(digest, *origin))
    return trial_table(trials, best)


def write_report(path: Path, *parts: str) -> None:
    """Print a report and keep it."""
    text = "\n\n".join(parts) + "\n"
    print(text)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error


def make(args: argparse.Namespace) -> None:
    """List the crops, calibrate on them, measure."""
    home = args.root / "calibration" / "int8" / args.engine
    manifest = load_manifest(args.root / "engines" / args.engine)
    if manifest.task != "super-resolution":
        raise EngineError(f"{manifest.name} decides by flow in f32 and has no int8 copy")
    if not manifest.inputs.fits((1, LR_SIZE, LR_SIZE, 3)):
        raise EngineError(f"{manifest.name} takes {manifest.inputs}, crops are {LR_SIZE} px wide")
    if not args.check:
        read_network(manifest)  # before anything is listed for it
    samples = samples_of(args, home / "samples.csv")
    people = len({row.person for row in samples.rows})
    print(f"{len(samples.rows)} crops of {people} people, as listed in {home / 'samples.csv'}")
    if args.check:
        return
    digest = sha256((home / "samples.csv").read_bytes()).hexdigest()
    if not args.table:
        trials = calibrate(manifest, samples, digest)
        made = f"By `scripts/calibrate.py`, {quantiser_version()}, on `samples.csv`; bold: chosen."
        write_report(home / "trials.md", f"# Ways to quantise {manifest.name}", made, trials)
    ways = compare_ways(manifest, samples, args.threads)
    how = f"Every way to run it, {args.threads} thread(s), {cpu_model()}; milliseconds of CPU time:"
    write_report(home / "ways.md", f"# Ways to run {manifest.name}", how, ways)


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate; 0 or the exit code of the error."""
    args = parse(arguments)
    return exit_code_of(lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
