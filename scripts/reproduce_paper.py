"""Reproduce the paper's tables on licensed datasets, honestly and as printed, in one report.

    python scripts/reproduce_paper.py --casme2 CASME2 [--smic SMIC] [--samm SAMM] --out report
    python scripts/reproduce_paper.py --synthetic --out report

Degrades faces as the paper does, brings them back by the shipped engine (or by one trained on the
training people: --train-sr, and --train-gan for ESRGAN's adversarial stage), and compares SR, bicubic,
LR and HR: PSNR / SSIM / MSE beside the paper's, and recognition by LBP-TOP and LPQ-TOP with SVMs and by
a CNN. CASME II, SMIC and SAMM together give the MEGC 2019 composite as well. --synthetic runs the same
path on generated clips.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import paper_clips
import torch
from paper_engine import add_options, resolver, trained_on

from stream_mer.app.compose import DetectorFactory
from stream_mer.config import Settings
from stream_mer.datasets.catalogue import load
from stream_mer.datasets.composite import TO_CLASS, megc2019
from stream_mer.datasets.findings import Dataset
from stream_mer.errors import ConfigError, StreamMerError
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.clip_cnn import CnnRun
from stream_mer.training.paper_report import Report, Study, write_report
from stream_mer.training.paper_study import (
    CNN,
    Recognition,
    frame_splits,
    make_views,
    picture_quality,
    recognise,
    require_people,
    svm_table,
)
from stream_mer.training.svm import FEATURES

SETS = {"casme2": "casme2", "smic": "smic-hs", "samm": "samm"}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in SETS:
        parser.add_argument(f"--{name}", type=Path, help=f"root of {name}; see evaluate.py doctor")
    parser.add_argument(
        "--subhs", type=Path, help="text file: the clips of SMIC-subHS (default: also in VIS)"
    )
    parser.add_argument("--synthetic", action="store_true", help="generated clips instead of a dataset")
    parser.add_argument(
        "--portraits", type=Path, help="with --synthetic: a folder of portraits, one a person"
    )
    parser.add_argument("--clips-each", type=int, default=2, help="with --synthetic: per person and class")
    parser.add_argument("--out", type=Path, required=True, help="folder of the report")
    add_options(parser)
    parser.add_argument("--epochs", type=int, default=12, help="of the CNN")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show-faces", action="store_true", help="faces in the report (mind the licence)")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report; 0, or the exit code of the error."""
    torch.set_num_threads((args := parse(arguments)).threads)
    try:
        with ExitStack() as stack:
            path = reproduce(args, stack)
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"\n{path}")
    return 0


def reproduce(args: argparse.Namespace, stack: ExitStack) -> Path:
    """The whole path from datasets to the report."""
    given = {SETS[name]: getattr(args, name) for name in SETS if getattr(args, name)}
    if bool(given) == args.synthetic:
        raise ConfigError("give --casme2 PATH (or --smic, --samm), or --synthetic\nnot both, and not neither")
    if args.subhs and "smic-hs" not in given:
        raise ConfigError("--subhs is a list of SMIC's clips\ngive --smic PATH, too")
    notes: list[str] = []
    if args.synthetic:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        say("rendering clips")
        notes = paper_clips.render_dataset(folder, args.portraits, args.clips_each, args.seed, args.assets)
        given = {"folder": folder}
    sets = {name: load(name, root) for name, root in given.items()}
    if "smic-hs" in sets:
        try:
            sets["smic-subhs"] = load("smic-subhs", given["smic-hs"], clip_list=args.subhs)
        except ConfigError as error:
            if args.subhs:
                raise
            notes.append(f"no SMIC-subHS: {str(error).splitlines()[0]}")
    detectors = DetectorFactory(Settings(assets=args.assets), AssetStore(args.assets))
    studies, engine = [], ""
    for name, dataset in sets.items():
        clips, _, lost = paper_clips.cut_clips(paper_clips.wanted(dataset), detectors, say)
        notes += [f"left out: {problem.what} ({name}, row {problem.row})" for problem in dataset.left_out]
        notes += [f"left out: {line}" for line in lost]
        require_people(clips, 3)  # one for each part of 70/20/10
        upscale, engine = resolver(args, name, clips, stack)
        views = make_views(clips, upscale, args.seed)
        say(f"{name}: PSNR, SSIM, MSE")
        quality = picture_quality(clips, views, frame_splits(clips, args.seed))
        run, seen = CnnRun(epochs=args.epochs, seed=args.seed), trained_on(args, clips)
        table, dealt = recognise(clips, views, (*FEATURES, CNN), run, say, seen)
        shown = "synthetic" if args.synthetic else name
        studies.append(Study(shown, tuple(clips), views, tuple(quality), tuple(table), tuple(dealt)))
    pooled, remarks = composite(sets, args, detectors, stack) if set(SETS.values()) <= set(sets) else ([], [])
    title = "Reproduction of the paper on " + ("SYNTHETIC clips" if args.synthetic else ", ".join(sets))
    report = Report(title, tuple(notes), engine, tuple(studies), tuple(pooled), tuple(remarks))
    return write_report(report, args.out, show_faces=args.synthetic or args.show_faces)


def composite(
    sets: Mapping[str, Dataset], args: argparse.Namespace, detectors: DetectorFactory, stack: ExitStack
) -> tuple[list[Recognition], list[str]]:
    """The three classes of MEGC 2019 over all three datasets, by the SVMs."""
    samples, remarks = megc2019(sets)
    clips, _, lost = paper_clips.cut_clips([sample.record for sample in samples], detectors, say)
    upscale, _ = resolver(args, "composite", clips, stack)
    classes = [TO_CLASS[clip.dataset][clip.label] for clip in clips]
    people, seen = [f"{clip.dataset}/{clip.subject}" for clip in clips], trained_on(args, clips)
    known = {f"{clip.dataset}/{clip.subject}" for clip in clips if clip.subject in seen}
    return svm_table(make_views(clips, upscale, args.seed), classes, people, known), remarks + lost


def say(line: str) -> None:
    """Progress, on one line of stderr."""
    print(f"\r{line:<70}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
