"""What is no video is refused with one to three lines saying what, why and what to do."""

from __future__ import annotations

import os
import re
from pathlib import Path

import av
import numpy as np
import pytest
from odd_videos import numbers, write_sound, write_video

from stream_mer.capture.address import PROTOCOLS, is_address, resolve
from stream_mer.capture.pyav import PyAvSource
from stream_mer.errors import SourceDamaged, SourceError, SourceNotFound


def refuse(address: str | Path, error: type[SourceError], words: str) -> None:
    with pytest.raises(error, match=re.compile(words, re.DOTALL)) as caught:
        PyAvSource(address)
    assert type(caught.value) is error
    assert 1 <= len(str(caught.value).splitlines()) <= 3
    assert all(len(line) < 200 for line in str(caught.value).replace(str(address), "X").splitlines())


def test_missing(tmp_path: Path) -> None:
    refuse(tmp_path / "none.mp4", SourceNotFound, "no such file.*none.mp4")
    with pytest.raises(FileNotFoundError):
        PyAvSource(tmp_path / "none.mp4")


def test_folder(tmp_path: Path) -> None:
    refuse(tmp_path, SourceError, "is a folder")


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    refuse(path, SourceDamaged, "empty .0 bytes")


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".ts", ".mpg", ".bin"])
def test_random_bytes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"random{suffix}"
    path.write_bytes(np.random.default_rng(3).bytes(200_000))
    with pytest.raises(SourceDamaged) as caught:
        PyAvSource(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("name", ["notes.avi", "notes.txt", "notes.nfo", "notes.mp4", "notes.ans"])
def test_text_is_no_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("Dear diary,\ntoday I saw a micro-expression. Ünglaublich!\n" * 400, "utf-8")
    refuse(path, SourceDamaged, "text file")


def test_list_of_other_files_is_not_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "real.mp4", numbers(3))
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile real.mp4\n")
    refuse(path, SourceDamaged, "text file")


def test_archive_and_still_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"PK\x03\x04" + bytes(5000))
    refuse(tmp_path / "a.mp4", SourceDamaged, "archive")


@pytest.mark.parametrize("name", ["sound.wav", "sound.m4a"])
def test_sound_only(tmp_path: Path, name: str) -> None:
    refuse(write_sound(tmp_path / name), SourceDamaged, "no video stream, only: audio")


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    picture = tmp_path / "cover.png"
    av.VideoFrame.from_ndarray(numbers(1)[0], format="rgb24").save(str(picture))
    path = write_sound(tmp_path / "plain.m4a")
    covered = tmp_path / "song.m4a"
    with (
        av.open(str(path)) as sound,
        av.open(str(picture)) as image,
        av.open(str(covered), "w", format="mp4") as out,
    ):
        sound_out = out.add_stream_from_template(sound.streams.audio[0])
        image_out = out.add_stream_from_template(image.streams.video[0])
        image_out.disposition = 1 << 10  # attached picture
        for container, stream in ((image, image_out), (sound, sound_out)):
            for packet in container.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    with av.open(str(covered)) as check:
        assert len(check.streams.video) == 1, "the test file must really hold a cover"
    refuse(covered, SourceDamaged, "no video stream, only: audio")


def test_recording_without_index(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", numbers(60)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    refuse(path, SourceDamaged, "moov.*repair")


def test_pictures_that_all_fail_to_decode(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", numbers(10), codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    refuse(path, SourceDamaged, "not one picture could be decoded")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", numbers(2))
    path.chmod(0)
    refuse(path, SourceError, "no permission")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refuse(tmp_path / "pipe", SourceError, "not a regular file")


@pytest.mark.parametrize(
    "address", ["gopher://h/x", "concat://a", "data://text/plain,x", "pipe://1", "ftp://u:pw@h/x"]
)
def test_schemes_outside_the_list(address: str) -> None:
    refuse(address, SourceError, "not accepted")
    with pytest.raises(SourceError) as caught:
        PyAvSource(address)
    assert "pw" not in str(caught.value)


def test_address_with_white_space_tells_nothing() -> None:
    refuse("rtsp://admin:my pass@h/x", SourceError, "white space")
    with pytest.raises(SourceError) as caught:
        PyAvSource("rtsp://admin:my pass@h/x")
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "   ", "a\0b.mp4"])
def test_odd_names(name: str) -> None:
    with pytest.raises(SourceError):
        PyAvSource(name)


@pytest.mark.parametrize(
    "name", ["rtsp:x.mp4", "concat:a|b.mp4", "data:x.mp4", "über maß %20 'q'.mp4", "a#b?c.mp4"]
)
def test_names_that_look_like_addresses_are_files(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "plain.mp4", numbers(3)).rename(tmp_path / name)
    for address in (name, tmp_path / name):
        source = PyAvSource(address)
        assert len(list(source)) == 3
        source.close()


def test_file_address(tmp_path: Path) -> None:
    path = write_video(tmp_path / "with space.mp4", numbers(3))
    source = PyAvSource(path.as_uri())
    assert len(list(source)) == 3
    source.close()


def test_no_network_scheme_leads_to_the_disk() -> None:
    for protocols in PROTOCOLS.values():
        assert not {"file", "pipe", "concat", "data", "subfile", "cache"} & set(protocols.split(","))
    assert resolve("RTSP://u:p@h/x", 2.0).name == "RTSP://***@h/x"
    assert is_address("srt://h:1")
    assert not is_address("clip.mp4")


def test_a_name_that_is_no_utf8_is_told_as_text(tmp_path: Path) -> None:
    """Events carry it into JSON and databases, which take nothing else."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    write_video(path, numbers(5))
    source = PyAvSource(path)
    assert len(list(source)) == 5
    source.close()
    assert source.info.name.encode() == os.fsencode(tmp_path) + rb"/caf\udce9.mp4"
