"""What both kinds of training material share: the networks that look, and what a camera does to frames."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2  # must be imported before PyAV

import av  # isort: skip
import numpy as np

from stream_mer.app.compose import DetectorFactory
from stream_mer.app.portraits import read_smiles
from stream_mer.config import Settings
from stream_mer.core.splits import aside
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.open import open_engine
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.runtime.shipped import engines_root, find_manifest
from stream_mer.synth.mesh import MeshRun
from stream_mer.training.clf_measure import bicubic
from stream_mer.training.clf_pack import Upscale
from stream_mer.types import ArrayF64, ImageU8

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUPER_RESOLVER = "rrdb-light-x4"
SMILING = 0.5
"""Share of the people drawn who smile as a real person did, unless that one is set aside."""


@dataclass(frozen=True, slots=True)
class Studio:
    """The product's detector, the landmark network, and the ways from LR back to 128 px."""

    detector: ZoomedDetector
    mesh: MeshRun
    paths: Mapping[str, Upscale | None]


def open_studio(assets: Path | None) -> Studio:
    """Open everything on one thread."""
    store = AssetStore(assets)
    coarse = MediaPipeDetector(store.path("face_detection_full_range_sparse.tflite"))
    fine = MediaPipeDetector(store.path("face_detection_short_range.tflite"))
    mesh = OpenVinoEngine.from_file(store.path("face_landmark.tflite"), threads=1).run
    manifest = find_manifest(SUPER_RESOLVER, list_manifests(engines_root(None)))
    engine = open_engine(manifest, backend="openvino", precision="f32", threads=1)

    def super_resolve(lr: ImageU8) -> ImageU8:
        return np.concatenate([engine.run(lr[i : i + 8])[0] for i in range(0, len(lr), 8)]).astype(np.uint8)

    paths: dict[str, Upscale | None] = {"native": None, "lr": bicubic, "sr": super_resolve}
    return Studio(ZoomedDetector(coarse, fine), mesh, paths)


def people_of(faces: Path) -> list[dict[str, str]]:
    """The rows of a portrait folder's index.csv."""
    with (faces / "index.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def read_training_smiles(faces: Path, assets: Path | None) -> list[ArrayF64 | None]:
    """How every training person smiled of whom there are portraits at rest and smiling; None if set aside.

    Raises:
        SourceError: a pair does not show one clear face each.
    """
    store = AssetStore(assets)
    detectors = DetectorFactory(Settings(assets=assets), store)
    engine = OpenVinoEngine.from_file(store.path("face_landmark.tflite"), threads=1)
    rows = [r for r in people_of(faces) if r["split"] == "train" and r["path"].endswith("_neutral.jpg")]
    smiles: list[ArrayF64 | None] = []
    for row in sorted(rows, key=lambda r: r["path"]):
        known = not aside(row["person"])
        smiles += read_smiles([faces / row["path"]], detectors, engine) if known else [None]
    return smiles


def drawn_smile(smiles: Sequence[ArrayF64 | None], *key: int) -> ArrayF64 | None:
    """One of the smiles for half of the people, None for who smiles as described.

    The same key draws the same; it should be nobody else's, or what is drawn depends on theirs.
    """
    rng = np.random.default_rng(key)
    return smiles[int(rng.integers(len(smiles)))] if smiles and rng.random() < SMILING else None


def settings_of(file: Path) -> dict[str, Any]:
    """The training configuration."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def h264(frames: ImageU8, crf: int) -> ImageU8:
    """The frames after H.264 at constant quality ``crf``; x264 itself may give other bytes another time."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream(
            "libx264", rate=30, options={"crf": str(crf), "preset": "veryfast", "threads": "1"}
        )
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        return np.stack([f.to_ndarray(format="rgb24").astype(np.uint8) for f in coded.decode(video=0)])


def resized(frame: ImageU8, factor: float) -> ImageU8:
    """The frame at another size, sides even as codecs want them."""
    height, width = (round(n * factor / 2) * 2 for n in frame.shape[:2])
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (width, height), interpolation=way), np.uint8)


def picture(file: Path) -> ImageU8:
    """A picture file as RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), np.uint8)
