"""Reads a Jetson's CSI cameras, and RTSP cameras through its hardware decoder, as GStreamer pipelines.

    csi:0                       the first camera on the ribbon cable
    csi:1?width=1280&height=720&fps=60
    nvdec:rtsp://user:password@camera/stream

The pipelines are text made by pure functions; OpenCV opens them, if it was built with GStreamer (the
distribution's is, the wheels on the package index are not). A password is a property of the element that
logs in, never part of an address, because GStreamer prints addresses into its messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from stream_mer.capture.opencv import Camera, OpenCvCamera, open_pipeline
from stream_mer.capture.redact import redact
from stream_mer.errors import ConfigError, SourceError
from stream_mer.protocols import Clock
from stream_mer.types import Frame, SourceInfo

CSI, NVDEC = "csi:", "nvdec:"
SIZES: Mapping[str, tuple[int, int]] = {"width": (32, 8192), "height": (32, 8192), "fps": (1, 240)}
SINK = "appsink name=out drop=true max-buffers=1 sync=false"
"""The newest picture only: what the rest is too slow for is lost here, and shows as a gap in time."""
TO_BGR = "nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR"
"""NVIDIA's converter takes the picture out of its own memory; it knows BGRx, OpenCV wants BGR."""
DECODERS: Mapping[str, str] = {
    "h264": "rtph264depay ! h264parse ! nvv4l2decoder enable-max-performance=true",
    "h265": "rtph265depay ! h265parse ! nvv4l2decoder enable-max-performance=true",
}
LATENCY_MS = 200


@dataclass(frozen=True, slots=True)
class CsiCamera:
    """A camera on the ribbon cable: its number and what it is asked for."""

    sensor: int = 0
    width: int = 1280
    height: int = 720
    fps: int = 60


def is_gstreamer(word: str) -> bool:
    """Whether a source's word means a pipeline."""
    return word.startswith((CSI, NVDEC))


def pipeline_for(word: str) -> str:
    """The pipeline that a source's word means.

    Raises:
        ConfigError: the word is not one, or asks for what no camera has.
    """
    if word.startswith(CSI):
        return csi_pipeline(parse_csi(word))
    return rtsp_pipeline(word.removeprefix(NVDEC))


def parse_csi(word: str) -> CsiCamera:
    """``csi:N?width=...&height=...&fps=...`` as values.

    Raises:
        ConfigError: no number, an unknown wish, or one out of range.
    """
    number, _, query = word.removeprefix(CSI).partition("?")
    if not (number.isascii() and number.isdigit() and len(number) == 1):
        raise ConfigError(f"{word}: {number!r} is no CSI camera\nGive csi:0, or csi:1?width=1280&fps=60.")
    camera = CsiCamera(int(number))
    for key, value in parse_qsl(query, keep_blank_values=True):
        low, high = SIZES.get(key, (1, 0))
        if not (value.isascii() and value.isdigit() and len(value) < 6 and low <= int(value) <= high):
            allowed = ", ".join(f"{name} {span[0]} to {span[1]}" for name, span in SIZES.items())
            raise ConfigError(f"{word}: {key}={value} is not possible\nKnown wishes: {allowed}.")
        camera = replace(camera, **{key: int(value)})
    return camera


def csi_pipeline(camera: CsiCamera) -> str:
    """From the sensor through NVIDIA's image processor to BGR pictures."""
    wish = f"width={camera.width},height={camera.height},framerate={camera.fps}/1"
    return f"nvarguscamerasrc sensor-id={camera.sensor} ! video/x-raw(memory:NVMM),{wish} ! {TO_BGR} ! {SINK}"


def rtsp_pipeline(address: str, codec: str = "h264") -> str:
    """From an RTSP camera through the hardware decoder to BGR pictures.

    Args:
        address: ``rtsp://`` or ``rtsps://``; user and password in it become properties.
        codec: ``h264`` or ``h265``; ``?codec=h265`` in the address says so too, and is taken out.

    Raises:
        ConfigError: another scheme or codec, or no host.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname:
        raise ConfigError(f"{redact(address)}: only rtsp:// and rtsps:// go through the hardware decoder.")
    query = parse_qsl(parts.query, keep_blank_values=True)
    codec = dict(query).get("codec", codec)
    if codec not in DECODERS:
        raise ConfigError(f"{redact(address)}: codec {codec!r} is not known\nChoose {' or '.join(DECODERS)}.")
    kept = "&".join(part for part in parts.query.split("&") if part and not part.startswith("codec="))
    host = parts.netloc.rpartition("@")[2]
    location = urlunsplit((parts.scheme, host, parts.path, kept, ""))
    login = ""
    if parts.username is not None:
        login = f" user-id={quoted(unquote(parts.username))} user-pw={quoted(unquote(parts.password or ''))}"
    source = f"rtspsrc location={quoted(location)}{login} protocols=tcp latency={LATENCY_MS}"
    return f"{source} drop-on-latency=true ! {DECODERS[codec]} ! {TO_BGR} ! {SINK}"


def quoted(value: str) -> str:
    """A property's value as GStreamer reads it back unchanged, whatever characters are in it.

    Raises:
        ConfigError: it holds a control character, which no camera's password does.
    """
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ConfigError("an address or password for GStreamer holds a control character; remove it.")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class GStreamerCamera:
    """A pipeline as a ``Source``: opened by OpenCV, stamped as a plugged-in camera is.

    Args:
        word: ``csi:...`` or ``nvdec:rtsp://...``.
        clock: where stamps come from.
        open_camera: opens a pipeline; tests bring their own.

    Raises:
        ConfigError: the word is not one.
        SourceError: OpenCV has no GStreamer, or the pipeline delivers nothing.
    """

    def __init__(
        self, word: str, *, clock: Clock, open_camera: Callable[[str], Camera] = open_pipeline
    ) -> None:
        pipeline, self._name = pipeline_for(word), redact(word)
        try:
            self._camera = OpenCvCamera(0, clock=clock, open_camera=lambda _: open_camera(pipeline))
        except SourceError as error:
            hint = (
                "see the camera with: nvgstcapture-1.0" if word.startswith(CSI) else "check address and login"
            )
            raise SourceError(
                f"{self._name} does not open or delivers no picture\n{hint}; OpenCV must have been built "
                "with GStreamer, and a container needs --runtime nvidia"
            ) from error
        digest = hashlib.sha256(self._name.encode()).hexdigest()
        self._info = replace(self._camera.info, name=self._name, digest=digest)

    @property
    def info(self) -> SourceInfo:
        """What the pipeline delivers, under the word without its password."""
        return self._info

    @property
    def losses(self) -> Mapping[str, int]:
        return self._camera.losses

    @property
    def warnings(self) -> Sequence[str]:
        return self._camera.warnings

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until interrupted; see ``protocols.Source``."""
        return iter(self._camera)

    def interrupt(self) -> None:
        """End the iteration soon; callable from any thread."""
        self._camera.interrupt()

    def close(self) -> None:
        """Stop the pipeline; idempotent."""
        self._camera.close()
