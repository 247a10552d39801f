"""Which files are meant, and what their folders of outputs are called."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.inputs import Input, expand, name_outputs
from stream_mer.capture.address import resolve
from stream_mer.errors import SourceError, SourceNotFound


def film(path: Path, frames: int = 3) -> Path:
    import numpy as np

    from stream_mer.sinks.video import VideoWriter

    writer = VideoWriter(path.with_suffix(".mp4"), 32, 32, fps_hint=25)
    for n in range(frames):
        writer.write(np.full((32, 32, 3), 40 * n, np.uint8), n * 40_000_000)
    writer.close()
    return path.with_suffix(".mp4").rename(path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4")


def put(clip: Path, *places: Path) -> None:
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place)


def test_a_folder_is_searched_by_content_not_by_name(clip: Path, tmp_path: Path) -> None:
    cams = tmp_path / "cams"
    put(clip, cams / "a" / "cam.mp4", cams / "b" / "deep" / "recording", cams / "odd.dat")
    (cams / "notes.txt").write_text("no video\n" * 50)
    (cams / "module.ts").write_text("export const camera = 1;\n" * 50)
    (cams / "still.png").write_bytes(bytes.fromhex("89504e470d0a1a0a") + b"\0" * 64)
    (cams / "empty.mp4").touch()
    (cams / ".hidden.mp4").write_bytes(clip.read_bytes())
    found = [one.below.as_posix() for one in expand([str(cams)], tmp_path / "out")]
    assert found == ["a/cam.mp4", "b/deep/recording", "empty.mp4", "odd.dat"]


def test_patterns_are_expanded_and_mirrored(clip: Path, tmp_path: Path) -> None:
    put(clip, tmp_path / "x" / "1" / "cam.mp4", tmp_path / "x" / "2" / "cam.mp4", tmp_path / "y.mp4")
    inputs = expand([str(tmp_path / "x" / "**" / "*.mp4")], tmp_path / "out")
    assert sorted(name_outputs(inputs, {}).values()) == ["1/cam", "2/cam"]
    with pytest.raises(SourceNotFound, match="matches"):
        expand([str(tmp_path / "*.avi")], tmp_path / "out")


def test_a_file_is_taken_once_and_outputs_are_no_input(clip: Path, tmp_path: Path) -> None:
    cams = tmp_path / "cams"
    put(
        clip,
        *(cams / n for n in ("a.mp4", "run/a/overlay.mp4", "old/b/overlay.mp4", "old/b/evidence/e.mp4")),
    )
    (cams / "old" / "b" / "events.jsonl").touch()
    assert [one.path for one in expand([str(cams), str(cams / "a.mp4")], cams / "run")] == [cams / "a.mp4"]


def test_linked_folders_are_looked_into_once_and_circles_end(clip: Path, tmp_path: Path) -> None:
    cams, disk = tmp_path / "cams", tmp_path / "disk"
    put(clip, cams / "z" / "cam.mp4", disk / "old" / "cam.mp4", cams / "run" / "cam" / "overlay.mp4")
    (cams / "a").symlink_to(cams / "z")  # there anyway, under its own name
    (cams / "b").symlink_to(disk)
    (disk / "back").symlink_to(cams)
    (disk / "up").symlink_to(tmp_path)
    (cams / "up").symlink_to(tmp_path)
    put(clip, tmp_path / "beside.mp4")
    (disk / "old" / "self").symlink_to(disk / "old")
    (cams / "c").symlink_to(cams / "run")  # outputs stay outputs
    (cams / "gone").symlink_to(tmp_path / "nowhere")
    (cams / "itself.mp4").symlink_to(cams / "itself.mp4")
    found = expand([str(cams)], cams / "run")
    assert [one.below.as_posix() for one in found] == ["b/old/cam.mp4", "z/cam.mp4"]
    assert name_outputs(found, {}) == {
        cams / "b" / "old" / "cam.mp4": "b/old/cam",
        cams / "z" / "cam.mp4": "z/cam",
    }


def test_names_that_would_clash_tell_no_more_of_the_path_than_needed(tmp_path: Path) -> None:
    paths = [tmp_path / "secret" / place / "cam.mp4" for place in ("door/1", "hall/1", "hall/2")]
    paths.append(tmp_path / "secret" / "hall" / "2" / "cam.mkv")
    names = name_outputs([Input(path, Path(path.name)) for path in paths], {})
    assert list(names.values()) == ["door/1/cam", "hall/1/cam", "cam.mp4", "cam.mkv"]


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no video file"):
        expand([str(tmp_path)], tmp_path / "out")
    with pytest.raises(SourceNotFound):
        expand([str(tmp_path / "missing.mp4")], tmp_path / "out")


@pytest.mark.parametrize("word", ["", "  "])
def test_an_empty_word_is_not_the_current_folder(
    word: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="empty name"):
        expand([word], tmp_path / "out")
    assert [one.path for one in expand(["."], tmp_path / "out")] == [Path("a.mp4")]


def test_an_address_is_no_recording_and_its_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="live --source") as caught:
        expand(["rtsp://watcher:open-sesame@10.0.0.5/ch1"], tmp_path / "out")
    assert "open-sesame" not in str(caught.value)


def test_a_file_named_alone_is_called_by_its_stem() -> None:
    assert name_outputs([Input(Path("/data/x/holiday.mp4"), Path("holiday.mp4"))], {}) == {
        Path("/data/x/holiday.mp4"): "holiday"
    }


def test_a_name_once_given_stays_when_others_come() -> None:
    first = Input(Path("a/cam.mp4"), Path("cam.mp4"))
    known = {str(first.path.resolve()): "cam"}
    later = Input(Path("b/cam.mp4"), Path("cam.mp4"))
    assert name_outputs([later, first], known) == {first.path: "cam", later.path: "b/cam"}


PARTS = st.sampled_from(["a", "b", "cam", "CAM", "overlay.mp4", "run.json", "..", "x y"])
PATHS = st.builds(
    lambda folders, stem, suffix: Path(*folders, stem + suffix),
    st.lists(PARTS, max_size=3),
    st.sampled_from(["cam", "a", "overlay.mp4", "manifest.sqlite", "evidence", "overlay.parts"]),
    st.sampled_from([".mp4", ".mkv", ""]),
)


@given(st.lists(PATHS, unique_by=lambda p: str(p.resolve()), min_size=1, max_size=8), st.randoms())
def test_names_never_clash_never_lead_out_and_ignore_order(paths: list[Path], rng: random.Random) -> None:
    inputs = [Input(path, Path(path.name)) for path in paths]
    names = name_outputs(inputs, {})
    assert len({name.casefold() for name in names.values()}) == len(paths)
    for name in names.values():
        assert ".." not in Path(name).parts
        assert not Path(name).is_absolute()
        written = {"overlay.mp4", "run.json", "events.jsonl", "manifest.sqlite", "evidence", "overlay.parts"}
        assert not written & set(Path(name).parts)
    shuffled = inputs[:]
    rng.shuffle(shuffled)
    assert name_outputs(shuffled, {}) == names


def test_a_name_that_is_no_utf8_gets_a_writable_one_that_stays(clip: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "cams") + b"/caf\xe9.mp4"))
    put(clip, odd, tmp_path / "cams" / "new\nline.mp4")
    inputs = expand([str(tmp_path / "cams")], tmp_path / "out")
    assert {one.path for one in inputs} == {odd, tmp_path / "cams" / "new\nline.mp4"}
    names = name_outputs(inputs, {})
    assert names[odd] == r"caf\udce9"
    place = rf"{odd.parent.resolve()}/caf\udce9.mp4"
    assert name_outputs([Input(odd, Path("renamed"))], {place: "before"}) == {odd: "before"}


def test_what_may_not_be_read_is_listed_so_that_it_can_fail(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root everything may be read: the refusals are scripted."""
    cams = tmp_path / "cams"
    put(clip, cams / "locked" / "cam.mp4", cams / "shut.mp4", cams / "shut.txt", cams / "fine.mp4")
    scan, read = os.scandir, Path.open

    def scandir(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    def refuse(path: Path, *args: object) -> object:
        if path.stem == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *args)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "open", refuse)
    found = expand([str(cams)], tmp_path / "out")
    assert [one.below.as_posix() for one in found] == ["fine.mp4", "locked", "shut.mp4"]
    with pytest.raises(SourceError, match="no permission to read"):
        resolve(cams / "locked", 1.0)
