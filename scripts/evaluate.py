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

import evaluate_spotting
import evaluate_sr

from stream_mer.errors import StreamMerError

KINDS = (evaluate_sr, evaluate_spotting)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line: a subcommand per kind of evaluation, each in its own file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in KINDS:
        kind.add(kinds)
    return parser.parse_args(arguments)


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
