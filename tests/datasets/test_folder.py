from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.datasets.folder import read_folder
from stream_mer.datasets.records import ClipRecord, frame_files, last_integer, parse_action_units
from stream_mer.errors import ConfigError

HEADER = "subject,clip,onset,apex,offset,label,AUs,fps\n"


def folder(root: Path, rows: str, header: str = HEADER) -> Path:
    """A data set with one clip as frames (46..80) and one as a video file."""
    frames = root / "sub01" / "EP02_01f"
    frames.mkdir(parents=True)
    for number in range(46, 81):
        (frames / f"reg_img{number}.jpg").touch()
    (frames / "notes.txt").touch()
    (root / "smile.mp4").touch()
    (root / "clips.csv").write_text(header + rows, encoding="utf-8")
    return root


def test_frames_and_video_files_become_records(tmp_path: Path) -> None:
    root = folder(
        tmp_path, "sub01,sub01/EP02_01f,46,59,66,Happiness,R12+AU6B,200\nanna,smile.mp4,3,,9,others,,29.97\n"
    )
    first, second = read_folder(root)
    assert first == ClipRecord(
        "folder",
        "sub01",
        "sub01/EP02_01f",
        root / "sub01/EP02_01f",
        200.0,
        46,
        59,
        66,
        "happiness",
        ("R12", "6"),
        46,
        row=2,
    )
    assert first.span_ns() == (0, 65_000_000, 105_000_000)
    assert first.duration_s == pytest.approx(0.105)
    assert second.apex is None
    assert second.path == root / "smile.mp4"
    assert second.span_ns() == (round(3e9 / 29.97), None, round(10e9 / 29.97))


def test_clip_is_found_below_its_subject_and_without_extension(tmp_path: Path) -> None:
    root = folder(tmp_path, "sub01,EP02_01f,46,/,66,others,,200\nanna,smile,0,0,1,others,4,25\n")
    assert [r.path.name for r in read_folder(root)] == ["EP02_01f", "smile.mp4"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_from_any_spreadsheet(tmp_path: Path, delimiter: str) -> None:
    header = "\ufefffps,Label,Offset,Apex,onset , clip,SUBJECT,aus,note\r\n".replace(",", delimiter)
    rows = "25,Others,5,,3,smile.mp4,anna,4,x\r\n,,,,,,,,\r\n25,others,15,,13,smile.mp4,anna\r\n"
    root = folder(tmp_path, rows.replace(",", delimiter), header)
    assert [r.onset for r in read_folder(root)] == [3, 13]
    assert [r.action_units for r in read_folder(root)] == [("4",), ()]


PROBLEMS = [
    ("anna,gone.mp4,1,2,3,others,4,25", "there is no clip 'gone.mp4' in .*\nits path is relative"),
    ("anna,smile.mp4,x,2,3,others,4,25", "onset is 'x', not a frame number\nwrite a whole number"),
    ("anna,smile.mp4,1.5,2,3,others,4,25", "onset is '1.5', not a frame number"),
    ("anna,smile.mp4,inf,2,3,others,4,25", "onset is 'inf', not a frame number"),
    ("anna,smile.mp4,-1,2,3,others,4,25", "onset is '-1', not a frame number"),
    ("anna,smile.mp4,1,2,,others,4,25", "offset is '', not a frame number"),
    ("anna,smile.mp4,5,,3,others,4,25", "offset 3 lies before onset 5\ncorrect that cell"),
    ("anna,smile.mp4,1,9,3,others,4,25", r"apex 9 lies outside 1\.\.3"),
    ("anna,smile.mp4,1,2,3,,4,25", "label is empty\nfill it in"),
    (",smile.mp4,1,2,3,others,4,25", "subject is empty"),
    ("anna,smile.mp4,1,2,3,others,4,0", "fps must be above 0, got 0"),
    ("anna,smile.mp4,1,2,3,others,4,nan", "fps must be above 0, got nan"),
    ("anna,smile.mp4,1,2,3,others,4,fast", "fps is 'fast', not a number\nwrite the rate"),
    ("anna,smile.mp4,1,2,3,others,4 or 5,25", "'or' is not an action unit such as 4 or R12"),
    (
        "sub01,EP02_01f,40,59,66,others,4,200",
        r"onset 40 lies outside .* 46\.\.80 of .*\nframe numbers",
    ),
    ("sub01,EP02_01f,46,59,99,others,4,200", r"offset 99 lies outside the frames 46\.\.80"),
]


@pytest.mark.parametrize(("row", "message"), PROBLEMS)
def test_message_names_file_row_and_mend(tmp_path: Path, row: str, message: str) -> None:
    root = folder(tmp_path, f"anna,smile.mp4,0,,1,others,,25\n{row}\n")
    with pytest.raises(ConfigError, match=rf"(?s)clips\.csv, row 3: {message}") as caught:
        read_folder(root)
    assert len(str(caught.value).splitlines()) <= 3


def test_more_problems_are_counted_and_repeats_found(tmp_path: Path) -> None:
    rows = "a,smile.mp4,1,,2,others,,25\na,smile.mp4,1,,3,others,,25\nb,none,1,,3,others,,25\n"
    with pytest.raises(ConfigError, match=r"row 3: same clip and onset as row 2\nremove .*\n1 more row has"):
        read_folder(folder(tmp_path, rows))


def test_ambiguous_name(tmp_path: Path) -> None:
    root = folder(tmp_path, "anna,smile,0,,1,others,,25\n")
    (root / "smile.avi").touch()
    with pytest.raises(ConfigError, match=r"could be any of smile\.avi, smile\.mp4"):
        read_folder(root)
    (root / "smile.avi").rename(root / "smile.json")
    assert read_folder(root)[0].path.name == "smile.mp4", "the truth beside a clip is no clip"


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*clips\.csv"):
        read_folder(tmp_path)
    (tmp_path / "clips.csv").write_text("")
    with pytest.raises(ConfigError, match=r"row 1: no column subject, clip"):
        read_folder(tmp_path)
    (tmp_path / "clips.csv").write_text(HEADER.replace("fps", "rate"))
    with pytest.raises(ConfigError, match=r"row 1: no column fps\nlet the table begin with subject"):
        read_folder(tmp_path)
    (tmp_path / "clips.csv").write_text(HEADER)
    with pytest.raises(ConfigError, match="has no rows"):
        read_folder(tmp_path)
    (tmp_path / "clips.csv").write_bytes(b"PK\x03\x04\xff\xfe\xff")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("reg_img46.jpg", 46),
        ("006_1_05562.jpg", 5562),
        ("img_7.PNG", 7),
        ("cover.jpg", None),
        ("a1b", 1),
        ("1.mp4", 1),
    ],
)
def test_last_integer(name: str, number: int | None) -> None:
    assert last_integer(name) == number


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30, unique=True))
def test_frames_come_in_the_order_of_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    root = tmp_path_factory.mktemp("frames")
    for number in numbers:
        (root / f"s3_img{number}.jpg").touch()
    frames = frame_files(root)
    assert list(frames) == sorted(numbers)
    assert all(path.name == f"s3_img{number}.jpg" for number, path in frames.items())


def test_frames_that_cannot_be_ordered(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no frames\n.*img1\.jpg"):
        frame_files(tmp_path)
    (tmp_path / "img1.jpg").touch()
    (tmp_path / "img01.jpg").touch()
    with pytest.raises(ConfigError, match=r"two frames with the number 1: img01\.jpg and img1\.jpg"):
        frame_files(tmp_path)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", ()),
        ("/", ()),
        ("0", ()),
        ("4+R12", ("4", "R12")),
        ("L14", ("L14",)),
        ("au1, AU2b", ("1", "2")),
        ("4；7，12", ("4", "7", "12")),
        ("AU06 + AU12", ("6", "12")),
    ],
)
def test_action_units(text: str, units: tuple[str, ...]) -> None:
    assert parse_action_units(text) == units


@pytest.mark.parametrize("text", ["x", "4?", "123", "RL4", "4(k)"])
def test_no_action_units(text: str) -> None:
    with pytest.raises(ValueError, match="is not an action unit"):
        parse_action_units(text)
