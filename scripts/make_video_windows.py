"""Make the classifier's windows from real video: as it is, and with injected micro-expressions.

    python scripts/make_video_windows.py engines/cnn-mer/train_config.toml --data VIDEOS --out PACKS

PACKS receives an .npz per face of a video (22 kB a window); what is there is not made again. Nothing in
the videos is labelled, so every window without an injected event counts as 'none'.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stream_mer.capture.pyav import PyAvSource
from stream_mer.core.windowing import duration_ladder
from stream_mer.errors import StreamMerError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.synth.dense import resample_sharp
from stream_mer.synth.fields import draw_style, field_on_mesh
from stream_mer.synth.inject import draw_injections
from stream_mer.synth.landmarks import face_axes
from stream_mer.synth.mesh import MeshRun, fit_mesh
from stream_mer.synth.pulse import Version, draw_pulse
from stream_mer.training import clf_data as data
from stream_mer.training.clf_inject import Injection, inject
from stream_mer.training.clf_measure import bicubic, measure

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EYES = np.array([[44.0, 46.0], [84.0, 46.0]])
"""Where the eyes lie in every registered picture."""
VERSIONS: dict[str, Version] = {"train": "train", "tune": "test", "test": "test"}
"""Warps and pulses that judge differ from those that train."""


def injections(strip: data.FaceStrip, seed: int, version: Version, run: MeshRun) -> list[Injection]:
    """Events for a registered face, about 70 a minute; the mesh is fitted at each apex."""
    rng, start = np.random.default_rng(seed), int(strip.pts_ns[0])
    seconds, frame_s = (strip.pts_ns[-1] - start) / 1e9, float(np.median(np.diff(strip.pts_ns))) / 1e9
    band = (max(0.04, 2.2 * frame_s), 0.2) if rng.random() < 0.8 else (0.2, 0.45)
    style, found = draw_style(rng, version), []
    for event in draw_injections(seed, seconds, 70, durations_s=band, peaks=(0.004, 0.03), version=version):
        onset = start + round(event.onset_s * 1e9)
        span = data.Span(onset, onset + round(event.duration_s * 1e9), event.label)
        pulse = draw_pulse(rng, span.onset_ns, span.offset_ns, version)
        apex = min(int(np.searchsorted(strip.pts_ns, pulse.apex_ns)), len(strip.pts_ns) - 1)
        mesh, score = fit_mesh(strip.pictures[apex], EYES, run)
        field = np.sum([field_on_mesh(mesh, unit, style) for unit in event.action_units], axis=0)
        field *= event.peak * face_axes(mesh).width / np.hypot(field[:, 0], field[:, 1]).max()
        if score > 0.5:
            found.append(Injection(span, mesh[:, :2], field, pulse.heights(strip.pts_ns)))
    return found


def videos(config: dict[str, Any], folder: Path, out: Path, detector: ZoomedDetector, run: MeshRun) -> None:
    """Packs of real video: every window of the product as it is, and windows on injected events."""
    table = config["videos"]
    paths: dict[str, data.Upscale | None] = {"native": None, "lr": bicubic}
    for part, name in [(p, n) for p in ("train", "tune", "test", "split") for n in table[p]]:
        for number, strip in enumerate(data.face_strips(PyAvSource(folder / name), detector)):
            file, pack = out / f"real_{Path(name).stem}_{number}.npz", data.WindowPack()
            if file.exists() or strip.face_px < table["min_face_px"]:
                continue
            late = int(strip.pts_ns.mean()) > table["split_s"] * 1e9
            at = {"split": "tune" if late else "train"}.get(part, part)
            fps = float(1e9 / np.median(np.diff(strip.pts_ns)))
            origin = data.Origin(f"{name}#{number}", Path(name).stem.rstrip("2"), at, True, fps)
            ladder = duration_ladder(0.04, 0.2)
            lengths = ladder if at != "train" else (*ladder, *(round(1.25 * d) for d in ladder), 220_000_000)
            quiet = list(data.hypotheses(strip.pts_ns, (), (), lengths))
            data.add_strip(pack, origin, strip, quiet, measure, paths)
            for turn in range(table["passes"] if at == "train" else 4):
                seed = int(hashlib.sha256(f"{name}{number}{turn}".encode()).hexdigest()[:8], 16)
                rng, version = np.random.default_rng(seed), VERSIONS[at]
                events = injections(strip, seed, version, run)
                spans, moved = [e.span for e in events], inject(strip, events, resample_sharp)
                items = data.hypotheses(
                    strip.pts_ns, spans, (), data.drawn_durations(rng) if at == "train" else ladder
                )
                near = data.choose((h for h in items if h.event >= 0), data.Budget(4, 4), rng)
                data.add_strip(
                    pack, replace(origin, clip=f"{origin.clip}@{turn}"), moved, near, measure, paths
                )
            pack.save(file)
            print(name, number, at, len(pack.raw), flush=True)


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
        videos(config, args.data, args.out, ZoomedDetector(coarse, fine), run)
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
