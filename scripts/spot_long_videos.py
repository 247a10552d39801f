"""Spot micro-expressions in a dataset's long recordings and write an MEGC submission.

    python scripts/spot_long_videos.py --dataset samm-lv --root SAMM_LV --out OUT
    python scripts/spot_long_videos.py --folders UNSEEN --fps 200 --name samm --out OUT

OUT receives samm_pred.csv or cas_pred.csv (vid, pred_onset, pred_offset, type) and, where annotations
are there, score.md: true and false positives pooled over videos at IoU >= 0.5, F1 and STRS.
The pipeline is the product's own; it looks for micro-expressions up to --max-duration, and for no macro ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stream_mer.app.compose import DetectorFactory
from stream_mer.app.console import exit_code_of
from stream_mer.app.long_videos import SUBMISSIONS, score, score_table, spot, submission, videos_in, videos_of
from stream_mer.app.networks import pick_networks
from stream_mer.config import SR_MODES, Settings
from stream_mer.datasets.catalogue import load
from stream_mer.errors import ConfigError, SourceError
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.summary import write_text


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", choices=sorted(SUBMISSIONS))
    parser.add_argument("--root", type=Path, help="of the dataset; see evaluate.py doctor")
    parser.add_argument("--frames", type=Path, help="folder of the videos, if it is not called as usual")
    parser.add_argument("--folders", type=Path, help="instead: a folder with one folder of frames a video")
    parser.add_argument("--fps", type=float, help="with --folders: their rate")
    parser.add_argument("--name", default="pred", help="with --folders: samm or cas, for the file's name")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-duration", type=float, default=0.5, help="longest micro-expression, seconds")
    parser.add_argument("--threshold", type=float, help="default: the classifier's own")
    parser.add_argument("--sr", choices=SR_MODES, default="auto")
    parser.add_argument("--limit", type=int, help="only so many videos")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> None:
    """Spot in every video, write the submission and the score.

    Raises:
        ConfigError: neither a dataset nor folders, or half of what they need.
    """
    lost = 0
    if args.dataset and args.root:
        dataset = load(args.dataset, args.root, frames=args.frames)
        for problem in dataset.left_out:
            print(f"left out, so not counted as missed: {problem}", file=sys.stderr)
        videos, lost = videos_of(dataset), len(dataset.left_out)
        file = SUBMISSIONS[args.dataset]
    elif args.folders and args.fps:
        if not args.fps > 0:
            raise ConfigError(f"--fps {args.fps:g} is not possible\ngive frames a second, such as 200")
        videos, file = videos_in(args.folders, args.fps), f"{args.name}_pred.csv"
    else:
        raise ConfigError("give --dataset NAME --root PATH, or --folders PATH --fps RATE")
    if not videos[: args.limit]:
        raise SourceError(
            "there is no video to look at\nexamine the dataset (evaluate.py doctor) and --limit"
        )
    settings = Settings(
        sr=args.sr, max_duration_s=args.max_duration, threshold=args.threshold, assets=args.assets
    )
    networks, detectors = pick_networks(settings), DetectorFactory(settings, AssetStore(args.assets))
    found = []
    for number, video in enumerate(videos[: args.limit], 1):
        print(f"{number}/{len(videos)} {video.name}", file=sys.stderr, flush=True)
        found.append(spot(video, settings, networks, detectors))
        write_text(args.out / file, submission(found), "the submission")
    if args.dataset:
        table = score_table(score(found), lost)
        write_text(args.out / "score.md", table, "the score")
        print(table)
    print(args.out / file)


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or the exit code of the error."""
    return exit_code_of(lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
