"""Cutting portraits: who is kept, what is cut, what is written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.geometry import ANCHORS
from stream_mer.core.warp import sample
from stream_mer.errors import ConfigError
from stream_mer.training import sr_batch, sr_data
from stream_mer.types import Box, Detection, ImageU8, Similarity

POSE = Similarity(1.5, 0.1, 130.0, 30.0)


def detection(pose: Similarity = POSE, score: float = 0.9, nose_off: float = 0.0) -> Detection:
    points = np.concatenate([ANCHORS, [[20.0, 60.0], [108.0, 60.0]]])
    points[2, 0] += nose_off
    return Detection(Box(0, 0, 1, 1), score, pose.apply(points))


class Replay:
    """A detector that answers what it was given."""

    def __init__(self, answers: list[list[Detection]]) -> None:
        self.answers = answers

    def detect(self, rgb: ImageU8) -> list[Detection]:
        assert rgb.dtype == np.uint8
        return self.answers.pop(0)

    def close(self) -> None:
        pass


def close_to(a: Similarity, b: Similarity) -> bool:
    return np.allclose((a.a, a.b, a.tx, a.ty), (b.a, b.b, b.tx, b.ty))


def test_one_confident_frontal_face_is_kept() -> None:
    pose = sr_data.frontal_pose([detection(), detection(score=0.6)])
    assert pose is not None
    assert close_to(pose, POSE)


@pytest.mark.parametrize(
    "detections",
    [
        [],
        [detection(score=0.6)],
        [detection(), detection()],
        [detection(nose_off=20.0)],
        [detection(Similarity(0.5, 0, 0, 0))],
    ],
    ids=["none", "unsure", "two", "profile", "small"],
)
def test_others_are_left_out(detections: list[Detection]) -> None:
    assert sr_data.frontal_pose(detections) is None


@given(st.integers(0, 2**32 - 1))
def test_varied_poses_stay_small_and_keep_the_centre(seed: int) -> None:
    varied = sr_data.vary_pose(POSE, np.random.default_rng(seed))
    centre = np.array([[64.0, 64.0]])
    np.testing.assert_allclose(varied.apply(centre), POSE.apply(centre))
    assert 1 / 1.15 - 1e-9 <= varied.scale / POSE.scale <= 1 / 0.9 + 1e-9
    turn = np.arctan2(varied.b, varied.a) - np.arctan2(POSE.b, POSE.a)
    assert abs(np.degrees(turn)) <= 8 + 1e-9


def test_the_middle_of_a_cut_is_the_products_own_crop() -> None:
    rgb = skimage.data.astronaut()
    pose = Similarity(1.7, 0.08, 120.0, 20.0)
    wide = sr_data.cut(rgb, pose)
    m = sr_data.MARGIN
    assert wide.shape == (144, 144, 3)
    difference = wide[m:-m, m:-m].astype(int) - sample(rgb, pose, 128)
    assert np.abs(difference).max() <= 2


def index(folder: Path, rows: list[str]) -> None:
    lines = ["split,path,person,source,licence,size_px", *rows]
    (folder / "index.csv").write_text("\n".join(lines) + "\n")


def test_pack_is_built_written_and_read(tmp_path: Path) -> None:
    rgb = skimage.data.astronaut()
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), rgb[..., ::-1])
    index(
        tmp_path,
        [f"train,{n}.png,p-{n},{s},x,512" for n, s in (("a", "london"), ("b", "sfhq"), ("c", "sfhq"))],
    )
    detector = Replay([[detection()], [], [detection()]])
    pack = sr_data.build_pack(tmp_path, "train", tmp_path / "pack", detector, {"london": 3, "*": 2})
    assert [p.person for p in pack.portraits] == ["p-a"] * 3 + ["p-c"] * 2
    np.testing.assert_array_equal(pack.pictures[0], sr_data.cut(rgb, POSE))
    assert len({p.tobytes() for p in pack.pictures[:3]}) == 3
    again = sr_data.load_pack(tmp_path / "pack", "train")
    np.testing.assert_array_equal(again.pictures, pack.pictures)
    assert again.portraits == pack.portraits
    assert again.select(lambda p: p.source == "sfhq").pictures.shape == (2, 144, 144, 3)


def test_missing_material_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"index\.csv is missing"):
        sr_data.read_index(tmp_path, "train")
    index(tmp_path, ["train,a.jpg,p,london,x,1"])
    with pytest.raises(ConfigError, match="no portrait of split 'val'"):
        sr_data.read_index(tmp_path, "val")
    with pytest.raises(ConfigError, match="not a readable picture"):
        sr_data.read_rgb(tmp_path / "a.jpg")


def test_picture_variation_keeps_the_content() -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((144, 144, 3), np.uint8)
    picture[40:60, 70:90] = (200, 100, 50)
    for _ in range(20):
        hr = sr_batch.vary_picture(picture, rng)
        assert hr.shape == (128, 128, 3)
        assert (hr.max((0, 1)) > 0).all()
        assert hr[..., 0].max() > hr[..., 1].max() > hr[..., 2].max()
        assert (hr.any(2)).sum() == 400


@pytest.mark.data
def test_no_person_is_in_two_splits(faces: Path) -> None:
    train, val = ({p.person for p in sr_data.read_index(faces, s)} for s in ("train", "val"))
    assert not train & val
    assert len(train) > 500


def test_nobody_may_be_in_two_splits(tmp_path: Path) -> None:
    index(tmp_path, ["train,a.jpg,p-1,london,x,1", "val,b.jpg,p-1,london,x,1", "val,c.jpg,p-2,london,x,1"])
    for split in ("train", "val"):
        with pytest.raises(ConfigError, match="p-1 is in split"):
            sr_data.read_index(tmp_path, split)


def test_a_pack_of_another_split_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), skimage.data.astronaut())
    index(tmp_path, ["val,a.png,p-a,london,x,512"])
    sr_data.build_pack(tmp_path, "val", tmp_path / "pack", Replay([[detection()]]))
    with pytest.raises(ConfigError, match="holds cut pictures of split 'val', not 'train'"):
        sr_data.load_pack(tmp_path / "pack", "train")
    (tmp_path / "pack" / "pictures.npy").unlink()
    with pytest.raises(ConfigError, match="not a whole pack"):
        sr_data.load_pack(tmp_path / "pack", "val")
    with pytest.raises(ConfigError, match=r"none of 1 portraits of split 'val'"):
        sr_data.build_pack(tmp_path, "val", tmp_path / "none", Replay([[]]))
    (tmp_path / "index.csv").write_text("split,path\nval,a.png\n")
    with pytest.raises(ConfigError, match="lacks 'person'"):
        sr_data.read_index(tmp_path, "val")
