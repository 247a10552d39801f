"""Make the classifier's training windows from synthetic clips of portraits.

    python scripts/make_clip_windows.py engines/cnn-mer/train_config.toml --data FACES --out PACKS

FACES holds index.csv and the portraits. Every clip goes the product's own way: codec, detection,
registration, one warp, LR and back. PACKS receives an .npz per 25 clips (22 kB a window); what is there
is not made again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import cv2  # must be imported before PyAV

import av  # isort: skip
import numpy as np

from stream_mer.errors import StreamMerError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.synth.clip import render_clip
from stream_mer.synth.mesh import MeshRun, fit_mesh
from stream_mer.synth.pulse import Version
from stream_mer.synth.spec import ClipSpec, DistractorRates
from stream_mer.training import clf_data as data
from stream_mer.training.clf_measure import bicubic, measure
from stream_mer.types import Frame, ImageU8

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SEEDS = {"train": 10_000_000, "choose": 20_000_000, "val": 30_000_000}


def h264(frames: ImageU8, crf: int) -> ImageU8:
    """The frames after H.264 at constant quality ``crf``."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        return np.stack([f.to_ndarray(format="rgb24").astype(np.uint8) for f in coded.decode(video=0)])


def draw_spec(rng: np.random.Generator, version: Version) -> ClipSpec:
    """A clip's settings: frame rate, face size, motion, noise, lost and repeated frames."""
    fps = float(rng.choice([25, 30, 60, 120, 200], p=[0.2, 0.3, 0.2, 0.15, 0.15]))
    face_px = float(np.exp(rng.uniform(np.log(48), np.log(160))))
    side = int(face_px * rng.uniform(2.0, 2.8)) // 2 * 2
    shortest = max(0.04, 2.2 / fps) if rng.random() < 0.85 else 0.04
    return ClipSpec(
        duration_s=3.0 if fps < 100 else 1.8, fps=fps, width=side, height=side, face_px=face_px,
        event_rate=100 if fps < 100 else 150,
        event_durations_s=(shortest, 0.2) if rng.random() < 0.8 else (0.2, 0.45), event_peaks=(0.003, 0.03),
        rates=DistractorRates(25, 20, 8, 5, 8, 6),
        head_speed=float(np.exp(rng.uniform(np.log(0.03), np.log(0.4)))),
        shot_noise=float(rng.uniform(0, 0.06)), read_noise=float(rng.uniform(0.3, 2.5)),
        flicker=float(rng.choice([0, 0.003, 0.01])), drop_rate=0.02 if rng.random() < 0.15 else 0.0,
        repeat_rate=float(rng.uniform(0.03, 0.3)) if rng.random() < 0.2 else 0.0, version=version,
    )  # fmt: skip


def clips(config: dict[str, Any], faces: Path, out: Path, detector: ZoomedDetector, run: MeshRun) -> None:
    """Packs of synthetic clips; ``choose`` are 15 % of the training people, drawn by name."""
    with (faces / "index.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for part in ("choose", "train", "val"):
        aside = {
            r["path"] for r in rows if int(hashlib.sha256(r["person"].encode()).hexdigest(), 16) % 100 < 15
        }
        wanted = [r for r in rows if (r["split"] == "val") == (part == "val")]
        if part != "val":
            wanted = [r for r in wanted if (r["path"] in aside) == (part == "choose")]
        wanted = [r for r in wanted if part == "train" or r["source"] != "sfhq"]
        for first in range(0, config["clips"][part], 25):
            file, pack = out / f"{part}_{first:05d}.npz", data.WindowPack()
            for number in range(first, min(first + 25, config["clips"][part])) if not file.exists() else ():
                rng = np.random.default_rng([SEEDS[part], number, config["clips"]["seed"]])
                row = wanted[int(rng.integers(len(wanted)))]
                portrait = cv2.cvtColor(cv2.imread(str(faces / row["path"])), cv2.COLOR_BGR2RGB)
                found = detector.detect(portrait)
                if len(found) != 1:
                    continue
                mesh, score = fit_mesh(portrait, found[0].keypoints, run)
                if score < 0.9:
                    continue
                spec = draw_spec(rng, "train" if part == "train" else "test")
                clip = render_clip(portrait, mesh, spec, SEEDS[part] + number)
                frames = h264(clip.frames, int(rng.integers(18, 31))) if rng.random() < 0.5 else clip.frames
                film = (Frame(i, int(t), f) for i, (t, f) in enumerate(zip(clip.pts_ns, frames, strict=True)))
                origin = data.Origin(f"{part}{number}", row["person"], part, False, spec.fps)
                events = [data.Span(e.onset_ns, e.offset_ns, e.label) for e in clip.events]
                others = [data.Span(d.onset_ns, d.offset_ns, d.kind) for d in clip.distractors]
                for strip in data.face_strips(film, detector):
                    items = data.hypotheses(strip.pts_ns, events, others, data.drawn_durations(rng))
                    chosen = data.choose(items, data.Budget(4, 4, 8, 8), rng)
                    for path, upscale in (("native", None), ("lr", bicubic)):
                        kept = [h for h in chosen if h.target != data.NONE or rng.random() < 0.5]
                        data.add_strip(pack, origin, strip, kept, measure, {path: upscale})
            pack.save(file)
            print(part, first, len(pack.raw), flush=True)


def main() -> int:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    args = parser.parse_args()
    try:
        store = AssetStore(args.assets)
        coarse = MediaPipeDetector(store.path("face_detection_full_range_sparse.tflite"))
        fine = MediaPipeDetector(store.path("face_detection_short_range.tflite"))
        run = OpenVinoEngine.from_file(store.path("face_landmark.tflite"), threads=1).run
        args.out.mkdir(parents=True, exist_ok=True)
        config = tomllib.loads(args.config.read_text(encoding="utf-8"))
        clips(config, args.data, args.out, ZoomedDetector(coarse, fine), run)
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
