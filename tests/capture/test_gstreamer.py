"""Pipelines for a Jetson's cameras: what stands in them, and that no password leaves its property."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.sources import open_source
from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.gstreamer import (
    CsiCamera,
    GStreamerCamera,
    csi_pipeline,
    parse_csi,
    pipeline_for,
    quoted,
    rtsp_pipeline,
)
from stream_mer.errors import ConfigError, SourceError


def elements(pipeline: str) -> list[str]:
    """The names of the elements, with GStreamer's own rules for quotes."""
    return [part.split()[0] for part in split_outside_quotes(pipeline, "!")]


def split_outside_quotes(text: str, mark: str) -> list[str]:
    parts, quote, skip = [""], False, False
    for char in text:
        if skip:
            skip = False
        elif char == "\\":
            skip = True
        elif char == '"':
            quote = not quote
        elif char == mark and not quote:
            parts.append("")
            continue
        parts[-1] += char
    assert not quote
    return parts


def properties(pipeline: str) -> dict[str, str]:
    """Properties of the first element, read back as GStreamer reads them."""
    found = {}
    for part in split_outside_quotes(split_outside_quotes(pipeline, "!")[0], " "):
        name, equals, value = part.partition("=")
        if equals:
            if value.startswith('"'):
                value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            found[name] = value
    return found


def test_the_csi_pipeline() -> None:
    pipeline = csi_pipeline(CsiCamera(1, 1920, 1080, 30))
    assert elements(pipeline) == [
        "nvarguscamerasrc", "video/x-raw(memory:NVMM),width=1920,height=1080,framerate=30/1", "nvvidconv",
        "video/x-raw,format=BGRx", "videoconvert", "video/x-raw,format=BGR", "appsink",
    ]  # fmt: skip
    assert properties(pipeline)["sensor-id"] == "1"
    assert "drop=true max-buffers=1 sync=false" in pipeline


@pytest.mark.parametrize(("codec", "parser"), [("h264", "h264parse"), ("h265", "h265parse")])
def test_the_rtsp_pipeline_decodes_in_hardware(codec: str, parser: str) -> None:
    pipeline = rtsp_pipeline("rtsp://camera:8554/front?channel=2", codec)
    assert elements(pipeline)[:4] == ["rtspsrc", f"rtp{codec}depay", parser, "nvv4l2decoder"]
    found = properties(pipeline)
    assert found["location"] == "rtsp://camera:8554/front?channel=2"
    assert (found["protocols"], found["drop-on-latency"]) == ("tcp", "true")
    assert "user-pw" not in found


def test_the_codec_may_stand_in_the_address() -> None:
    pipeline = pipeline_for("nvdec:rtsp://camera/x?a=1&codec=h265")
    assert "h265parse" in pipeline
    assert properties(pipeline)["location"] == "rtsp://camera/x?a=1"


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cc", "Cs")))


@given(value=PRINTABLE)
def test_any_value_is_read_back_unchanged(value: str) -> None:
    assert properties(f"rtspsrc user-pw={quoted(value)} ! fakesink")["user-pw"] == value
    assert elements(f"rtspsrc user-pw={quoted(value)} ! fakesink") == ["rtspsrc", "fakesink"]


@given(user=PRINTABLE.filter(bool), password=PRINTABLE)
def test_credentials_are_properties_and_in_no_address(user: str, password: str) -> None:
    from urllib.parse import quote

    pipeline = rtsp_pipeline(f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@camera/x")
    found = properties(pipeline)
    assert (found["user-id"], found["user-pw"]) == (user, password)
    assert found["location"] == "rtsp://camera/x"


@pytest.mark.parametrize(
    "word",
    [
        "csi:", "csi:x", "csi:12", "csi:0?width=9", "csi:0?zoom=2", "csi:0?fps=30 ! filesink", "csi:0?fps=",
        "csi:0 ! filesink location=/etc/passwd", "nvdec:http://camera/x", "nvdec:rtsp:///x", "nvdec:file:///x",
        "nvdec:rtsp://camera/x?codec=mjpeg", "nvdec:rtsp://user:a%0ab@camera/x",
    ],
)  # fmt: skip
def test_what_is_no_camera_is_a_matter_of_usage(word: str) -> None:
    with pytest.raises(ConfigError):
        pipeline_for(word)
    with pytest.raises(ConfigError):
        open_source(word)


def test_wishes_are_read() -> None:
    assert parse_csi("csi:1?width=640&height=480&fps=120") == CsiCamera(1, 640, 480, 120)
    assert parse_csi("csi:0") == CsiCamera()


class FakePipeline:
    """Three red pictures in BGR, then nothing."""

    def __init__(self, pipeline: str) -> None:
        self.pipeline, self.left, self.released = pipeline, 3, 0

    def isOpened(self) -> bool:  # noqa: N802
        return "rtspsrc" in self.pipeline or "nvarguscamerasrc" in self.pipeline

    def get(self, propId: int, /) -> float:
        return 30.0

    def set(self, propId: int, value: float, /) -> bool:
        return True

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((48, 64, 3), (0, 0, 255), np.uint8)

    def release(self) -> None:
        self.released += 1


def test_it_is_a_source_under_a_name_without_password() -> None:
    opened: list[FakePipeline] = []

    def build(pipeline: str) -> FakePipeline:
        opened.append(FakePipeline(pipeline))
        return opened[-1]

    word = "nvdec:rtsp://user:secret@camera/x"
    source = GStreamerCamera(word, clock=MonotonicClock(), open_camera=build)
    assert source.info.name == "nvdec:rtsp://***@camera/x"
    assert (source.info.width, source.info.height, source.info.live) == (64, 48, True)
    frames = iter(source)
    first, second = next(frames), next(frames)
    assert first.pts_ns == 0 < second.pts_ns
    assert first.rgb[0, 0].tolist() == [255, 0, 0]
    source.interrupt()
    assert list(frames) == []
    source.close()
    source.close()
    assert opened[0].released == 1
    other = GStreamerCamera("csi:0", clock=MonotonicClock(), open_camera=build)
    assert other.info.digest != source.info.digest


def test_a_run_that_was_ended_does_not_keep_the_next_one_from_reconnecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`serve` starts a camera's pipeline again after a failure, which had interrupted the source."""

    def build(word: str, *, clock: MonotonicClock) -> GStreamerCamera:
        return GStreamerCamera(word, clock=clock, open_camera=FakePipeline)

    monkeypatch.setattr("stream_mer.app.sources.GStreamerCamera", build)
    recipe = open_source("nvdec:rtsp://camera/x")
    first = recipe.build()
    first.interrupt()
    first.close()
    second = recipe.build()
    assert len(list(islice(second, 5))) == 5, "three pictures a connection"
    second.close()


def test_without_gstreamer_it_says_what_is_missing_and_hides_the_password() -> None:
    with pytest.raises(SourceError, match="built with GStreamer") as raised:
        GStreamerCamera("nvdec:rtsp://user:secret@127.0.0.1:1/x", clock=MonotonicClock())
    assert "secret" not in str(raised.value)
