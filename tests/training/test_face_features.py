"""The face network of the perceptual loss: it learns, its file loads, and its distance orders pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stream_mer.errors import AssetError, OutputError
from stream_mer.training import perceptual, sr_network
from stream_mer.training.face_features import FaceFeatures, train_features
from stream_mer.training.sr_data import Pack, Portrait, held_out


@pytest.fixture(scope="module")
def pack() -> Pack:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:144, :144]
    pictures = np.empty((9, 144, 144, 3), np.uint8)
    for picture in pictures:
        picture[:] = rng.integers(60, 200, 3)
        for _ in range(10):
            cx, cy, r = *rng.uniform(20, 124, 2), rng.uniform(5, 25)
            picture[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.integers(0, 256, 3)
    return Pack(pictures, tuple(Portrait(f"{i}", f"p{i}", "london", "train") for i in range(9)))


@pytest.fixture(scope="module")
def trained(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, list[int]]:
    torch.set_num_threads(1)
    file, told = tmp_path_factory.mktemp("features") / "faces.pt", []
    right = train_features(
        pack,
        file,
        width=4,
        steps=100,
        batch=12,
        rate=4e-3,
        report=lambda step, _loss, _right: told.append(step),
    )
    return file, right, told


def test_learns_to_tell_people_apart(trained: tuple[Path, float, list[int]], pack: Pack) -> None:
    _, right, told = trained
    people = sum(not held_out(p.person) for p in pack.portraits)
    assert people <= 9
    assert right > 3 / people
    assert told == [50, 100]


def test_distance_is_zero_for_equal_and_grows_with_blur(
    trained: tuple[Path, float, list[int]], pack: Pack
) -> None:
    distance = perceptual.load_distance(trained[0])
    hr = np.ascontiguousarray(pack.hr()[:4])
    apart = []
    for sigma in (0.0, 1.0, 2.5):
        soft = hr if sigma == 0 else np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in hr])
        apart.append(float(distance(sr_network.to_tensor(soft), sr_network.to_tensor(hr))))
    assert apart[0] == 0
    assert apart[0] < apart[1] < apart[2]


def test_features_have_unit_spread(trained: tuple[Path, float, list[int]], pack: Pack) -> None:
    distance = perceptual.load_distance(trained[0])
    assert isinstance(distance.features, FaceFeatures)
    assert not any(p.requires_grad for p in distance.parameters())
    with torch.no_grad():
        x = (sr_network.to_tensor(np.ascontiguousarray(pack.hr())) - distance.mean) / distance.spread
        spread = distance.features(x).std((0, 2, 3))
    assert 0.5 < float(spread.median()) < 2


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_a_file_without_weights_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "features.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AssetError, match=r"train_face_features\.py"):
        perceptual.load_distance(file)


def test_wrong_options_and_places_are_explained(
    pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import train_face_features as script

    for option in ("--steps", "--width", "--threads"):
        assert script.main(["--pack", str(tmp_path), "--out", str(tmp_path / "x.pt"), option, "0"]) == 2
        assert option in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        train_features(pack, tmp_path / "file" / "x.pt", width=2, steps=1, batch=2)
