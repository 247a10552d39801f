"""The H.264 loss behaves as the codec's: flat stays flat, coarser quantisers lose more, and near libx264."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import numpy as np
import pytest
import skimage.data

from stream_mer.core.h264 import h264_loss, step_size
from stream_mer.core.metrics import psnr


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[40:168, 150:278])


def by_libx264(picture: np.ndarray, qp: int) -> np.ndarray:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
        stream.options = {"x264-params": f"qp={qp}:ipratio=1:aq-mode=0:keyint=1"}
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as coded:
        return next(coded.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.parametrize("level", [0, 17, 128, 255])
def test_flat_pictures_stay_nearly_flat(level: int) -> None:
    flat = np.full((32, 48, 3), level, np.uint8)
    coded = h264_loss(flat, 30).astype(int)
    assert np.ptp(coded) <= 1
    assert abs(coded.mean() - level) <= step_size(30) / 8


def test_coarser_quantisers_lose_more_and_the_finest_nearly_nothing(face: np.ndarray) -> None:
    grey = np.repeat(
        face.mean(-1, keepdims=True).astype(np.uint8), 3, -1
    )  # chroma is halved at any quantiser
    quality = [psnr(grey, h264_loss(grey, qp)) for qp in (0, 12, 24, 36, 48)]
    assert all(a > b for a, b in pairwise(quality))
    assert quality[0] > 48


@pytest.mark.parametrize("qp", [22, 28, 34])
def test_loses_about_as_much_as_libx264(face: np.ndarray, qp: int) -> None:
    if "libx264" not in av.codecs_available:
        pytest.skip("this PyAV has no libx264")
    assert psnr(face, h264_loss(face, qp)) == pytest.approx(psnr(face, by_libx264(face, qp)), abs=2.0)


def test_deblocking_smooths_the_borders_of_blocks() -> None:
    ramp = np.broadcast_to(np.rint(np.linspace(80, 120, 64))[None, :, None], (64, 64, 3)).astype(np.uint8)
    steps = np.abs(np.diff(h264_loss(ramp, 36)[..., 1].astype(float), axis=1)).mean(0)
    assert 0 < steps[7::8].mean() < 4  # without the filter the blocks' means are 5 levels apart


@pytest.mark.parametrize(("shape", "qp"), [((24, 32, 3), 30), ((32, 32, 3), 52), ((32, 32, 3), -1)])
def test_refuses_what_it_cannot_code(shape: tuple[int, int, int], qp: int) -> None:
    with pytest.raises(ValueError, match="h264_loss needs"):
        h264_loss(np.zeros(shape, np.uint8), qp)
