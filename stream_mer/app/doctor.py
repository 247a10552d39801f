"""``stream-mer doctor``: what is installed, what fits this machine, what a source can show."""

from __future__ import annotations

import os
import platform
import statistics
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stream_mer import __version__
from stream_mer.app.compose import DetectorFactory
from stream_mer.app.console import console
from stream_mer.app.networks import pick_networks
from stream_mer.app.observability import observed
from stream_mer.app.sources import open_source
from stream_mer.config import Settings
from stream_mer.core.geometry import FACE_WIDTH, pose_from_keypoints
from stream_mer.core.tally import Tally
from stream_mer.errors import EngineError, StreamMerError
from stream_mer.runtime.assets import ASSETS, AssetStore
from stream_mer.runtime.gpu_device import find_gpu, load_cuda
from stream_mer.runtime.machine import jetson
from stream_mer.types import Detection, FaceTrack, Result

PACKAGES = (
    "numpy", "av", "opencv-contrib-python", "mediapipe", "openvino", "onnxruntime",
    "torch", "tensorrt", "tensorrt-rtx-cu13-bindings", "pycuda", "cuda-bindings",
)  # fmt: skip
OPTIONAL = frozenset(("torch", "tensorrt", "tensorrt-rtx-cu13-bindings", "pycuda", "cuda-bindings"))
PROBE_FRAMES = 150
DETECT_EVERY = 5


def doctor(source: str | None, assets: Path | None) -> int:
    """Print the report; exit code 0 if everything needed is there, else that of the first trouble."""
    out = console()
    worst = 0
    table = Table(title=f"stream_mer {__version__}", show_header=False)
    table.add_row(
        "system", f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    board = jetson()
    if board is not None:
        table.add_row("Jetson", board)
    table.add_row("NVIDIA GPU", _gpu())
    for package in PACKAGES:
        table.add_row(package, _version(package))
    store = AssetStore(assets)
    try:
        for name in ASSETS:
            table.add_row(name, str(store.path(name)))
    except StreamMerError as error:
        worst = worst or error.exit_code
        table.add_row("model files", f"[red]{error}")
    try:
        networks = pick_networks(Settings(assets=assets))
        table.add_row("super-resolution", f"{networks.super_resolver.name}: {networks.reason}")
        table.add_row("classifier", f"{networks.classifier.name} {networks.classifier.sha256[:12]}")
    except StreamMerError as error:
        worst = worst or error.exit_code
        table.add_row("engines", f"[red]{error}")
    out.print(table)
    if source is not None:
        _judge(source, DetectorFactory(Settings(assets=assets), store), out)
    return worst


def _gpu() -> str:
    try:
        return find_gpu(load_cuda()).label
    except EngineError as error:
        return str(error).splitlines()[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        if package.startswith("opencv") and find_spec("cv2") is not None:
            return "the system's"  # as on a Jetson, where it is the one with GStreamer
        return "not installed (optional)" if package in OPTIONAL else "[red]missing: reinstall stream-mer"


def _judge(word: str, detectors: DetectorFactory, out: Console) -> None:
    source = open_source(word).build()
    try:
        detector = detectors.build(source.info)
        tally, sizes, faces = Tally(), [], []
        tracks: tuple[FaceTrack, ...] = ()
        try:
            for i, frame in enumerate(islice(source, PROBE_FRAMES)):
                if i % DETECT_EVERY == 0:
                    found = detector.detect(frame.rgb)
                    tracks = tuple(_track(number, one) for number, one in enumerate(found))
                    faces.append(len(tracks))
                    sizes += [track.face_px for track in tracks]
                tally.push(Result(frame, tracks))
        finally:
            detector.close()
        info = source.info
    finally:
        source.close()
    seen = observed(tally, detectors.settings)
    table = Table(title=info.name, show_header=False)
    table.add_row("picture", f"{info.width}x{info.height}")
    table.add_row(
        "frame rate", f"{tally.fps:.2f} fps measured, {info.fps_nominal or 0:.2f} claimed, gaps: {tally.gaps}"
    )
    table.add_row(
        "faces", f"{max(faces, default=0)} at most, {statistics.fmean(faces or [0]):.1f} on average"
    )
    table.add_row("face width", f"{statistics.median(sizes):.0f} px (median)" if sizes else "no face seen")
    table.add_row("shortest observable event", f"{seen['shortest_event_s']} s")
    table.add_row("verdict", str(seen["verdict"]) if sizes else "no face: nothing can be found here")
    for warning in source.warnings:
        table.add_row("warning", warning)
    out.print(table)


def _track(number: int, found: Detection) -> FaceTrack:
    pose = pose_from_keypoints(found.keypoints)
    return FaceTrack(number, 0, found.box, pose, FACE_WIDTH * pose.scale, found.score)
