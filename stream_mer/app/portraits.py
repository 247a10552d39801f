"""Portraits with a face mesh, ready to be animated: the shipped astronaut, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_mer.app.compose import DetectorFactory
from stream_mer.app.crops import Crops, gate_crops
from stream_mer.capture.pyav import PyAvSource
from stream_mer.config import Settings
from stream_mer.errors import SourceError, StreamMerError
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.measured import measured_movement
from stream_mer.synth.mesh import fit_mesh
from stream_mer.types import ArrayF64, ImageU8

PICTURES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp"))
MESH = "face_landmark.tflite"
MIN_FACE_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Portrait:
    """One person: a name, the picture, and the ``(468, 3)`` mesh of the face in its px."""

    name: str
    rgb: ImageU8
    mesh: ArrayF64


def astronaut() -> Portrait:
    """The portrait that comes with the package (NASA, public domain); needs no network."""
    rgb, mesh = demo_portrait()
    return Portrait("astronaut", rgb, mesh)


def read_portraits(folder: Path, assets: Path | None) -> Iterator[Portrait]:
    """Every picture in ``folder`` with exactly one clear face, in order of names.

    Raises:
        SourceError: no picture in the folder, or none with a clear face.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not files:
        raise SourceError(
            f"{folder} holds no picture ({' '.join(sorted(PICTURES))}).\nGive a folder of portraits."
        )
    store = AssetStore(assets)
    engine = OpenVinoEngine.from_file(store.path(MESH))
    detectors = DetectorFactory(Settings(), store)
    usable = 0
    try:
        for file in files:
            portrait = read_portrait(file, detectors, engine)
            if portrait is not None:
                usable += 1
                yield portrait
    finally:
        engine.close()
    if not usable:
        raise SourceError(
            f"none of the {len(files)} pictures in {folder} shows one clear face.\n"
            "Use frontal portraits with the face at least 100 px wide."
        )


def crops_with(faces: Path | None) -> Crops:
    """The parity gate's crops: of the demo's clip, and of every portrait in ``faces`` if that is given.

    Raises:
        SourceError: as ``read_portraits``.
    """
    return gate_crops(() if faces is None else ((one.rgb, one.mesh) for one in read_portraits(faces, None)))


def read_portrait(file: Path, detectors: DetectorFactory, engine: OpenVinoEngine) -> Portrait | None:
    """The person in a picture; None unless it shows exactly one clear face."""
    try:
        source = PyAvSource(file)
    except StreamMerError:
        return None
    try:
        frame = next(iter(source), None)
        info = source.info
    finally:
        source.close()
    if frame is None:
        return None
    detector = detectors.build(info)
    try:
        found = detector.detect(frame.rgb)
    finally:
        detector.close()
    if len(found) != 1:
        return None
    mesh, score = fit_mesh(frame.rgb, found[0].keypoints, engine.run)
    return Portrait(file.stem, frame.rgb, mesh) if score >= MIN_FACE_SCORE else None


def read_smiles(
    at_rest: Sequence[Path], detectors: DetectorFactory, engine: OpenVinoEngine
) -> Iterator[ArrayF64]:
    """How people moved between a portrait at rest and one smiling, see ``synth.measured``; in that order.

    Args:
        at_rest: files ``NAME_neutral.jpg``, with ``NAME_smile.jpg`` beside them.
        detectors: build the face detector.
        engine: the landmark network.

    Raises:
        SourceError: no such pair, or none with two clear faces.
    """
    usable = 0
    for rest in at_rest:
        smiling = rest.with_name(rest.name.replace("_neutral", "_smile"))
        pair = [read_portrait(file, detectors, engine) for file in (rest, smiling) if file.exists()]
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
            usable += 1
            yield measured_movement(pair[0].mesh, pair[1].mesh)
    if not usable:
        raise SourceError("there are no pairs *_neutral.jpg and *_smile.jpg of one clear face each.")
