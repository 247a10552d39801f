"""Measures how still the crop of a moving head is, when the head's true pose is known.

Portraits are moved like real heads (0.08-0.34 inter-ocular distances a second), filmed with sensor noise,
optionally compressed, and given to the detector and tracker. What is left of the motion in the crop above
1.25 Hz, in LR px rms, is the jitter. Three ways to cut are compared: the detector's boxes, its refined key
points through a one-euro filter (both detected in every frame), and the product's tracker.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core"))
import crop_bench as bench  # type: ignore[import-not-found]

from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.zoomed import ZoomedDetector

SPEEDS = (0.08, 0.2, 0.34)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, help="folder with index.csv and portraits")
    parser.add_argument("--assets", type=Path, required=True, help="folder with the MediaPipe model files")
    parser.add_argument("--split", default="val/london", help="portraits: <split>/<source>")
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 96, 64, 48], help="face widths, px")
    parser.add_argument("--fps", type=float, nargs="+", default=[25, 30, 60])
    parser.add_argument("--films", nargs="+", default=list(bench.FILMS), choices=list(bench.FILMS))
    parser.add_argument("--compare", action="store_true", help="also boxes and one-euro key points (slow)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    cv2.setNumThreads(1)

    coarse = MediaPipeDetector(options.assets / "face_detection_full_range_sparse.tflite", min_score=0.3)
    fine = MediaPipeDetector(options.assets / "face_detection_short_range.tflite")
    detector = ZoomedDetector(coarse, fine, passes=2, trust=0.7)
    portraits = neutral_portraits(options.faces, options.split, options.people)
    rows: list[dict[str, float | str]] = []
    began = time.perf_counter()
    for film in options.films:
        for fps in options.fps:
            for size in options.sizes:
                clips = []
                for person, path in enumerate(portraits):
                    portrait = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
                    found = detector.detect(portrait)
                    if not found:
                        continue
                    speed = SPEEDS[person % len(SPEEDS)]
                    clip = bench.shoot(
                        portrait, found[0], film, size, fps, options.seconds, speed, seed=person
                    )
                    clips.append(bench.measure(clip, detector, coarse if options.compare else None))
                rows.append({"film": film, "fps": fps, "face_px": size, **bench.pooled(clips)})
                took = time.perf_counter() - began
                print(
                    f"{film} {fps:g} fps {size} px: {rows[-1]['ours']:.4f}  [{took:.0f} s]", file=sys.stderr
                )
    detector.close()
    print(table(rows))
    if options.json:
        measured = [{key: value for key, value in row.items() if value == value} for row in rows]  # no NaN
        options.json.write_text(json.dumps({"split": options.split, "rows": measured}, indent=1) + "\n")


def neutral_portraits(faces: Path, split: str, people: int) -> list[Path]:
    """One portrait each of the first ``people`` of a split."""
    first: dict[str, Path] = {}
    with open(faces / "index.csv", newline="") as lines:
        for row in csv.DictReader(lines):
            wanted = f"{row['split']}/{row['source']}" == split and "smile" not in row["path"]
            if wanted and row["person"] not in first:
                first[row["person"]] = faces / row["path"]
    return [first[person] for person in sorted(first)][:people]


def table(rows: list[dict[str, float | str]]) -> str:
    """The rows as Markdown."""
    head = {
        "film": "film",
        "fps": "fps",
        "face_px": "face px",
        "boxes": "boxes",
        "one_euro": "key points, one-euro",
        "ours": "ours",
        "ours_worst": "worst person",
        "true_pose_grey": "grey levels, true pose",
        "ours_grey": "grey levels, ours",
        "wander": "slow wander",
        "shown": "shown",
        "breaks": "breaks a minute",
        "update_ms": "ms a frame",
    }
    lines = ["| " + " | ".join(head.values()) + " |", "|" + "---|" * len(head)]
    for row in rows:
        values = [row[key] for key in head]
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
