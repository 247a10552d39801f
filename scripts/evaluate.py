"""Measure engines on people they have never seen.

    python scripts/evaluate.py sr --data DATA --out REPORT --engine engines/rrdb-light-x4

``sr`` prints PSNR / SSIM / MSE for every degradation and validation source, motion fidelity and
milliseconds a face, as Markdown; REPORT receives the same (sr.md) and a comparison sheet (sr.png:
LR, bicubic, engines, HR), which shows people and is not to be committed.

    python scripts/evaluate.py sr-auto --data DATA --cache CLIPS --out sr-auto.md

``sr-auto`` prints motion fidelity and spotting of native, LR + bicubic and LR + SR faces 48 to 160 px wide.

    python scripts/evaluate.py spotting --data DATA --cache KEPT --part final --out REPORT

``spotting`` judges real videos (as they are, and with micro-expressions injected) and synthetic clips:
recall, false events a minute, F1 at IoU 0.5, for native, LR + bicubic and LR + SR faces and a baseline.

    python scripts/evaluate.py smiles --data DATA --cache KEPT --folds RUNS --out REPORT

``smiles`` puts real people's smiles, much smaller and shorter, into the videos of the tuning half.

    python scripts/evaluate.py codec --data DATA --cache KEPT --folds RUNS --out REPORT

``codec`` draws recall by an event's displacement and the H.264 quality that it went through.

    python scripts/evaluate.py recognition --data DATA --cache KEPT --out REPORT
    python scripts/evaluate.py observability --data DATA --cache KEPT --out REPORT

``recognition`` asks CNN, SVM on LBP-TOP and LPQ-TOP, and majority class for the classes of events told when;
``observability`` draws recall by an event's duration and the frame rate.

    python scripts/evaluate.py doctor --dataset casme2 --root CASME2

``doctor`` says whether a copy of a dataset is whole: counts against the published ones, missing frames,
odd cells, each with file, row and mend. Exit code 0: usable.

    python scripts/evaluate.py events RUN... --truth ANNOTATIONS...

``events`` compares what runs found with annotations from ELAN (.eaf), CSV or a clip's own truth.

    python scripts/evaluate.py features --protocol composite --set casme2=DIR --set smic-hs=DIR --set samm=DIR

``features`` classifies by LBP-TOP and LPQ-TOP with SVMs: leave one subject out (loso), MEGC 2019's
composite, or CD6ME's leave one dataset out on twelve action units.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from stream_mer.app.console import exit_code_of
from stream_mer.errors import ConfigError

KINDS = (
    "sr", "sr-auto", "spotting", "smiles", "codec", "recognition", "observability", "doctor", "events",
    "features",
)  # fmt: skip
"""Each is a file beside this one, ``evaluate_<kind>.py``; only the one asked for is imported."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line: a subcommand per kind of evaluation, each in its own file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    words = sys.argv[1:] if arguments is None else arguments
    for kind in [kind for kind in KINDS if kind in words[:1]] or KINDS:
        _module(kind).add(kinds)
    return parser.parse_args(arguments)


def _module(kind: str) -> Any:
    try:
        return importlib.import_module(f"evaluate_{kind.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"evaluate {kind} needs {error.name}, which is not installed\n"
            "run: python -m pip install 'stream-mer[train,research]'"
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; 0 or the exit code of the error."""

    def work() -> None:
        args = parse(arguments)
        args.run(args)

    return exit_code_of(work)


if __name__ == "__main__":
    sys.exit(main())
