"""Makes the odd videos of the capture tests; every picture shows its number as eight bright or dark bars."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS = 8
DARK, BRIGHT = 40, 215


def numbered(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """An RGB picture showing ``number`` (0..255) as vertical bars, highest bit on the left."""
    picture = np.empty((height, width, 3), np.uint8)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit, (x0, x1) in enumerate(itertools.pairwise(edges)):
        picture[:, x0:x1] = BRIGHT if number >> (BITS - 1 - bit) & 1 else DARK
    return picture


def number_of(rgb: NDArray[np.uint8]) -> int:
    """Read the number of a picture that went through any codec."""
    edges = np.linspace(0, rgb.shape[1], BITS + 1).astype(int)
    number = 0
    for x0, x1 in itertools.pairwise(edges):
        number = number << 1 | int(rgb[:, x0 + 2 : x1 - 2].mean() > 128)
    return number


def write_video(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 25,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    tone_s: float = 0.0,
    container_format: str | None = None,
) -> Path:
    """Encode RGB pictures; ``pts`` counts in ``time_base`` (1/rate if None)."""
    pictures = list(pictures)
    height, width, _ = pictures[0].shape
    base = time_base or Fraction(1, rate)
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = base
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        sound = out.add_stream("aac", rate=16000) if tone_s else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts = index if pts is None else pts[index]
            frame.time_base = base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            _write_tone(out, sound, tone_s)
    return path


def _write_tone(out: av.container.OutputContainer, sound: av.AudioStream, seconds: float) -> None:
    for start in range(0, int(16000 * seconds), 1024):
        wave = np.sin(np.arange(start, start + 1024) * 0.1).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        out.mux(sound.encode(frame))
    out.mux(sound.encode(None))


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound only; codec by suffix."""
    with av.open(str(path), "w") as out:
        sound = out.add_stream("pcm_s16le" if path.suffix == ".wav" else "aac", rate=16000, layout="mono")
        if path.suffix == ".wav":
            wave = (np.sin(np.arange(int(16000 * seconds)) * 0.1) * 9000).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
        else:
            _write_tone(out, sound, seconds)
    return path


def remux(
    source: Path,
    target: Path,
    *,
    shift: int = 0,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Copy the video stream packet by packet, moving every stamp by ``shift`` ticks."""
    with av.open(str(source)) as inside, av.open(str(target), "w", options=container_options or {}) as out:
        stream_in = inside.streams.video[0]
        stream_out = out.add_stream_from_template(stream_in)
        for packet in inside.demux(stream_in):
            if packet.size == 0:
                continue
            packet.stream = stream_out
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
            out.mux(packet)
    return target


def numbers(count: int, **size: int) -> list[NDArray[np.uint8]]:
    """The first ``count`` numbered pictures."""
    return [numbered(i, **size) for i in range(count)]
