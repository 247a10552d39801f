"""Going on with an archive when more is wanted than before, or when a file is not what it was."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cheap_archive
import pytest
from cheap_archive import film, invented, outputs, run_cheaply

from stream_mer.app import identity
from stream_mer.app.inputs import looks_like_video
from stream_mer.app.pieces import Piece
from stream_mer.capture.index import claimed_frames
from stream_mer.sinks.event_log import read_events


@pytest.fixture
def cam(tmp_path: Path) -> Path:
    return film(tmp_path / "cam.mp4", 3, 40)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def states(out: Path, cam: Path, *, evidence: bool) -> list[str]:
    return [status.state for status in run_cheaply(out, [cam], evidence=evidence)]


def test_evidence_that_is_wanted_later_is_made_without_judging_again(out: Path, cam: Path) -> None:
    def never(piece: Piece, _: Callable[[int], None]) -> str:
        raise AssertionError(f"segment {piece.segment.index} is known")

    assert states(out, cam, evidence=False) == ["ok"]
    before = outputs(out)
    (status,) = run_cheaply(out, [cam], evidence=True, work=never)
    assert status.state == "ok"
    clips = {path.stem for path in (out / "cam" / "evidence").glob("*.mkv")}
    assert clips == {event.id for event in read_events(out / "cam" / "events.jsonl")}
    assert {name: text for name, text in outputs(out).items() if "evidence" not in name} == before
    assert states(out, cam, evidence=True) == ["done before"]
    assert states(out, cam, evidence=False) == ["done before"]


def test_evidence_that_was_forgotten_is_not_made_again(out: Path, cam: Path) -> None:
    assert states(out, cam, evidence=True) == ["ok"]
    shutil.rmtree(out / "cam" / "evidence")
    assert states(out, cam, evidence=True) == ["done before"]
    assert not (out / "cam" / "evidence").exists()


def test_a_recording_that_goes_on_while_it_is_judged_fails_and_is_done_afresh_later(
    out: Path, cam: Path, tmp_path: Path
) -> None:
    longer = film(tmp_path / "longer.mp4", 5, 40).read_bytes()

    def growing(piece: Piece, report: Callable[[int], None]) -> str:
        if piece.segment.index == 1:
            cam.write_bytes(longer)
        return invented(piece, report)

    (status,) = run_cheaply(out, [cam], work=growing)
    assert status.state == "failed"
    assert "has changed while it was judged" in str(status.failure)
    assert outputs(out) == {}
    assert states(out, cam, evidence=False) == ["ok"]
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert states(fresh, cam, evidence=False) == ["ok"]
    assert outputs(out) == outputs(fresh)


def test_another_recording_of_the_same_size_and_time_is_noticed(out: Path, cam: Path) -> None:
    assert states(out, cam, evidence=False) == ["ok"]
    before, content = cam.stat(), bytearray(cam.read_bytes())
    content[len(content) // 2] ^= 1
    cam.write_bytes(content)
    os.utime(cam, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (cam.stat().st_size, cam.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    (status,) = run_cheaply(out, [cam])
    assert status.state == "failed"
    assert "has changed since this run began" in str(status.failure)


def test_what_nobody_touched_is_not_read_again(out: Path, cam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(out, cam, evidence=False) == ["ok"]
    monkeypatch.setattr(identity, "content_digest", lambda _: pytest.fail("it was read"))
    assert states(out, cam, evidence=False) == ["done before"]


def test_a_new_time_stamp_alone_is_no_change(out: Path, cam: Path) -> None:
    def touching(piece: Piece, report: Callable[[int], None]) -> str:
        cam.touch()
        return invented(piece, report)

    assert [status.state for status in run_cheaply(out, [cam], work=touching)] == ["ok"]


def test_nothing_of_an_earlier_run_stays_beside_the_new_results(out: Path, cam: Path) -> None:
    assert states(out, cam, evidence=True) == ["ok"]
    (status,) = run_cheaply(out, [cam], resume=False)
    assert status.state == "ok"
    assert not (out / "cam" / "evidence").exists()


def test_a_file_that_cannot_be_read_any_more_has_no_results(out: Path, cam: Path) -> None:
    assert states(out, cam, evidence=True) == ["ok"]
    cam.write_bytes(b"")
    (status,) = run_cheaply(out, [cam], resume=False)
    assert status.state == "failed"
    assert outputs(out) == {}


@pytest.mark.parametrize("name", ["events.jsonl", "rejected.jsonl", "run.json"])
@pytest.mark.parametrize(
    "harm", [lambda _: b"", lambda text: text[:-9], lambda text: text[:5] + b"#" + text[6:]]
)
def test_outputs_that_were_damaged_since_are_written_again_without_judging(
    out: Path, cam: Path, name: str, harm: Callable[[bytes], bytes]
) -> None:
    def never(piece: Piece, _: Callable[[int], None]) -> str:
        raise AssertionError(f"segment {piece.segment.index} is known")

    assert states(out, cam, evidence=False) == ["ok"]
    before, path = outputs(out), out / "cam" / name
    path.write_bytes(harm(path.read_bytes()) or b"#")
    assert [status.state for status in run_cheaply(out, [cam], work=never)] == ["ok"]
    assert outputs(out) == before
    path.unlink()
    assert [status.state for status in run_cheaply(out, [cam], work=never)] == ["ok"]
    assert outputs(out) == before
    assert states(out, cam, evidence=False) == ["done before"]


def test_a_part_of_an_overlay_that_was_damaged_since_is_made_again(
    out: Path, cam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be joined as it is, or fail the file at every try."""
    monkeypatch.setattr(cheap_archive, "SETTINGS", replace(cheap_archive.SETTINGS, overlay=True))
    judged: list[int] = []

    def drawing(piece: Piece, report: Callable[[int], None]) -> str:
        if len(judged) == 2:
            raise KeyboardInterrupt
        judged.append(piece.segment.index)
        assert piece.overlay is not None
        film(Path(piece.overlay), 1, piece.segment.index)
        return invented(piece, report)

    with pytest.raises(KeyboardInterrupt):
        run_cheaply(out, [cam], work=drawing)
    assert judged == [0, 1]
    first = out / "cam" / "overlay.parts" / "00000.mp4"
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    judged[:] = [-1, -1, -1]
    (out / "cam" / ".overlay.mp4.12345.part").write_bytes(b"pictures that a killed worker left")
    assert [status.state for status in run_cheaply(out, [cam], work=drawing)] == ["ok"]
    assert judged[3:] == [0, 2]
    assert not (out / "cam" / ".overlay.mp4.12345.part").exists()
    assert (out / "cam" / "overlay.mp4").exists()


def test_a_file_on_a_bad_disk_fails_alone(
    out: Path, cam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, read = film(tmp_path / "bad.mp4", 1, 90), Path.open

    def refuse(path: Path, *args: object, **options: object) -> object:
        if path == bad:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert claimed_frames(bad) == 0
    assert looks_like_video(bad)
    first, second = run_cheaply(out, [bad, cam])
    assert (first.state, second.state) == ("failed", "ok")
    assert "Input/output error" in str(first.failure)


def test_a_file_that_is_gone_when_its_turn_comes_fails_alone(out: Path, cam: Path, tmp_path: Path) -> None:
    gone = film(tmp_path / "gone.mp4", 1, 90)

    def taking(piece: Piece, report: Callable[[int], None]) -> str:
        gone.unlink(missing_ok=True)
        return invented(piece, report)

    first, second = run_cheaply(out, [cam, gone], work=taking)
    assert (first.state, second.state) == ("ok", "failed")
