"""Build TensorRT plans of every engine and precision, e.g. for an image or for continuous integration.

    python scripts/build_engines.py --backend tensorrt-rtx --out plans

The same as ``stream-mer engines build`` for each precision that each engine can have.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stream_mer.app import plan_room
from stream_mer.errors import StreamMerError
from stream_mer.runtime.plan_build import PRECISIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; 0 or the exit code of the error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", help="only this one")
    parser.add_argument("--backend", choices=("tensorrt", "tensorrt-rtx"), help="default: what is installed")
    parser.add_argument(
        "--precision", choices=PRECISIONS, action="append", help="repeat for more; default all"
    )
    parser.add_argument("--target", default="current", help="another GPU, e.g. sm89; tensorrt-rtx only")
    parser.add_argument("--max-batch", type=int)
    parser.add_argument("--root", type=Path, help="folder of engines (default: the shipped ones)")
    parser.add_argument("--out", type=Path, help="folder for the plans (default: the user's cache)")
    parser.add_argument("--force", action="store_true", help="build again what is there")
    args = parser.parse_args(arguments)
    try:
        wanted = plan_room.wishes(
            args.engine, args.backend, args.precision or PRECISIONS, args.target, args.max_batch, args.root
        )
        return plan_room.build(wanted, args.out, force=args.force)
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
