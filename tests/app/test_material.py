"""What was watched is kept, and not taken for what something else would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stream_mer.app.material as material
import stream_mer.app.provenance as provenance
from stream_mer.app.material import Material
from stream_mer.app.portraits import astronaut
from stream_mer.app.watched import Watched, load_watched, save_watched
from stream_mer.config import Settings
from stream_mer.errors import SourceError
from stream_mer.protocols import Source
from stream_mer.runtime.assets import AssetStore
from stream_mer.synth.basis import WarpBasis
from stream_mer.types import ArrayF32, ArrayF64

PEOPLE = {"ann": ("one.mp4",)}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was watched; nothing really is."""
    names: list[str] = []

    def watched(source: Source, *_: object, name: str, person: str, **__: object) -> Watched:
        names.append(name)
        return Watched(name, person, source.info, ())

    monkeypatch.setattr(material, "watch", watched)
    return names


@pytest.fixture
def made(tmp_path: Path, videos: Path) -> Material:
    """Material with one video."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "one.mp4").write_bytes((videos / "grid_bbaf2n.mpg").read_bytes())
    return Material(tmp_path, tmp_path / "kept", Settings(), AssetStore(None), report=lambda _: None)


def test_a_video_is_watched_once_and_again_when_anything_it_was_made_of_is_another(
    made: Material, told: list[str], videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for times in (1, 1):
        assert [w.person for w in made.videos(PEOPLE, (0,))] == ["ann"]
        assert len(told) == times
    made.settings = replace(made.settings, max_faces=2)
    list(made.videos(PEOPLE, (0,)))
    assert len(told) == 2
    (made.data / "videos" / "one.mp4").write_bytes((videos / "grid_brbk7n.mpg").read_bytes())
    list(made.videos(PEOPLE, (0,)))
    assert len(told) == 3
    with monkeypatch.context() as patched:
        patched.setattr(provenance, "code_digest", lambda: "another tracker")
        list(made.videos(PEOPLE, (0,)))
        list(made.videos(PEOPLE, (0,)))
    assert len(told) == 4


def test_what_does_not_say_what_it_was_made_of_is_watched_again(made: Material, told: list[str]) -> None:
    list(made.videos(PEOPLE, (0,)))
    (file,) = made.cache.iterdir()
    save_watched(file, load_watched(file))
    list(made.videos(PEOPLE, (0,)))
    assert len(told) == 2


def test_clips_of_other_peaks_or_another_picture_are_other_clips(
    made: Material, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = astronaut()
    monkeypatch.setattr(Material, "_portraits", lambda *_: [person])
    for peaks, watched in (((0.005, 0.03), 1), ((0.005, 0.03), 1), ((0.005, 0.02), 2), ((0.005, 0.02), 2)):
        list(made.clips("tune", 30.0, 12.0, peaks=peaks))
        assert len(told) == watched
    person = replace(person, rgb=np.ascontiguousarray(person.rgb[:, ::-1]))
    list(made.clips("tune", 30.0, 12.0, peaks=(0.005, 0.02)))
    assert len(told) == 3


def test_a_coded_video_is_another_one(made: Material, told: list[str]) -> None:
    for crf, watched in ((None, 1), (23, 2), (23, 2), (28, 3)):
        list(made.videos(PEOPLE, (0,), crf))
        assert len(told) == watched


def test_a_video_that_is_not_there_is_named(made: Material) -> None:
    with pytest.raises(SourceError, match=r"two\.mp4: No such file"):
        list(made.videos({"ann": ("two.mp4",)}, (0,)))


def test_the_makers_are_those_that_make_pictures_and_find_faces() -> None:
    makers = set(provenance.makers())
    assert {
        "synth/pulse.py", "synth/fields.py", "capture/timeline.py", "core/registration.py", "face/boxes.py",
        "app/watched.py", "pipeline/steps.py",
    } <= makers  # fmt: skip
    judging = {"core/decision.py", "core/spotting.py", "core/baseline.py", "core/flow_spotting.py"}
    assert not makers & {*judging, "app/trial.py"}


def test_videos_with_real_smiles_are_kept_apart_from_others_and_by_smile(
    made: Material, told: list[str]
) -> None:
    (smile,) = smiles = [np.full((468, 2), 0.1)]
    list(made.smiles(PEOPLE, (1, 2), smiles))
    list(made.smiles(PEOPLE, (1, 2)))
    list(made.videos(PEOPLE, (1, 2)))
    assert len(told) == len(list(made.cache.iterdir())) == 6
    list(made.smiles(PEOPLE, (1, 2), smiles))
    assert len(told) == 6
    list(made.smiles(PEOPLE, (1, 2), [2 * smile]))
    assert len(told) == 8


def test_smiles_of_real_people_turn_the_corners_of_the_mouth_up_and_out(
    made: Material, faces: Path, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="no pairs"):
        made.real_smiles()
    for name in ("train/london/003", "val/london/121", "val/london/125"):
        for kind in ("neutral", "smile"):
            file = f"{name}_{kind}.jpg"
            (tmp_path / "faces" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "faces" / file).write_bytes((faces / file).read_bytes())
    (tmp_path / "faces" / "val" / "london" / "125_smile.jpg").unlink()
    (smile,) = made.real_smiles()  # training people's smiles are known to the networks
    right, left = smile[61], smile[291]
    assert right[0] < -0.1
    assert left[0] > 0.1
    assert max(right[1], left[1]) < -0.1


def test_every_event_is_a_smile_and_moves_as_the_one_given(
    made: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    smile, moved = np.zeros((468, 2)), []
    smile[[61, 291]] = [[-0.7, -0.7], [0.7, -0.7]]
    inject = WarpBasis.measured

    def measured(basis: WarpBasis, movement: ArrayF64, sides: str) -> ArrayF32:
        moved.append(movement)
        return inject(basis, movement, sides)

    monkeypatch.setattr(WarpBasis, "measured", measured)
    truth = [e for watched in made.smiles(PEOPLE, range(1, 4), [smile]) for e in watched.truth]
    assert {e.label for e in truth} == {"happiness"}
    assert moved
    assert all(one is smile for one in moved)
