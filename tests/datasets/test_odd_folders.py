"""What a user's own copy of a dataset may look like: wrong root, missing files, odd cells."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import miniature
import pytest

from stream_mer.datasets.catalogue import load
from stream_mer.errors import ConfigError

GOOD = (1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness")


def one_row(root: Path, *row: object) -> Path:
    """CASME II with one good row and then this one; the good one's frames are there."""
    miniature.workbook(root / "CASME2-coding-20140508.xlsx", S=[miniature.CASME2_HEADER, GOOD, row])
    miniature.frames(root / "CASME2-RAW" / "sub01" / "EP02_01f", range(40, 95))
    return root


ODD_ROWS = [
    (
        (1, "EP09_99", None, 46, 59, 86, None, "12", "happiness"),
        "there is no folder sub01/EP09_99 in .*\ncopy",
    ),
    ((9, "EP02_01f", None, 46, 59, 86, None, "12", "happiness"), "there is no folder sub09/EP02_01f"),
    (
        (1, "EP02_01f", None, "x", 59, 86, None, "12", "happiness"),
        "onset is 'x', not a frame number\nwrite a",
    ),
    (
        (1, "EP02_01f", None, None, 59, 86, None, "12", "happiness"),
        "onset is empty\nwrite the frame's number",
    ),
    ((1, "EP02_01f", None, -4, 59, 86, None, "12", "happiness"), "onset is '-4', not a frame number"),
    ((1, "EP02_01f", None, 47.5, 59, 86, None, "12", "happiness"), "onset is '47.5', not a frame number"),
    ((1, "EP02_01f", None, "nan", 59, 86, None, "12", "happiness"), "onset is empty"),
    ((1, "EP02_01f", None, "inf", 59, 86, None, "12", "happiness"), "onset is 'inf', not a frame number"),
    ((1, "EP02_01f", None, 80, 59, 60, None, "12", "happiness"), "offset 60 lies before onset 80\ncorrect"),
    (
        (1, "EP02_01f", None, 47, "/", "/", None, "12", "happiness"),
        "offset is 0 or empty, and there is no apex",
    ),
    (
        (1, "EP02_01f", None, 47, 59, 400, None, "12", "happiness"),
        r"frames 47\.\.400 do not lie in .* 40\.\.94",
    ),
    (GOOD, "same clip and onset as row 2\nremove"),
]


@pytest.mark.parametrize(("row", "message"), ODD_ROWS)
def test_message_names_file_row_and_mend(row: tuple[object, ...], message: str, tmp_path: Path) -> None:
    dataset = load("casme2", one_row(tmp_path, *row))
    assert len(dataset.records) == 1
    with pytest.raises(ConfigError, match=rf"(?s)CASME2-coding-20140508\.xlsx, row 3: {message}") as caught:
        dataset.whole()
    assert len(str(caught.value).splitlines()) <= 3


WARNINGS = [
    ((1, "EP02_01f", None, 47, 99, 86, None, "12", "happiness"), r"apex 99 lies outside 47\.\.86"),
    (
        (1, "EP02_01f", None, 47, 59, 86, None, "12", "joyful"),
        "unknown label 'joyful'\nknown are disgust, fear",
    ),
    ((1, "EP02_01f", None, 47, 59, 86, None, "lip", "fear"), "'lip' is not an action unit"),
]


@pytest.mark.parametrize(("row", "message"), WARNINGS)
def test_what_can_be_kept_is_kept_and_said(row: tuple[object, ...], message: str, tmp_path: Path) -> None:
    dataset = load("casme2", one_row(tmp_path, *row))
    assert len(dataset.whole()) == 2
    (problem,) = (p for p in dataset.problems if p.row is not None)
    assert re.search(rf"(?s)row 3: {message}", str(problem))


def test_empty_clip_and_doubled_frames(tmp_path: Path) -> None:
    root = one_row(tmp_path, 2, "EP01_01", None, 1, 2, 3, None, "12", "fear")
    clip = root / "CASME2-RAW" / "sub02" / "EP01_01"
    clip.mkdir(parents=True)
    assert "EP01_01 has no frames" in str(load("casme2", root).left_out[0])
    for name in ("img1.jpg", "img01.jpg"):
        (clip / name).touch()
    assert "two frames with the number 1" in str(load("casme2", root).left_out[0])


def test_frames_missing_inside(tmp_path: Path) -> None:
    root = one_row(tmp_path, 2, "EP01_01", None, 1, 5, 9, None, "12", "fear")
    miniature.frames(root / "CASME2-RAW" / "sub02" / "EP01_01", [1, 2, 3, 6, 9])
    dataset = load("casme2", root)
    assert len(dataset.whole()) == 2
    assert "4 of the frames 1..9 are missing in" in str(dataset.problems[-1])


def test_case_of_folders_does_not_matter(tmp_path: Path) -> None:
    root = one_row(tmp_path, 2, "ep01_01F", None, 1, 5, 9, None, "12", "FEAR")
    miniature.frames(root / "CASME2-RAW" / "Sub02" / "EP01_01f", range(1, 12), "IMG{}.JPG")
    assert load("casme2", root).whole()[1].label == "fear"


@pytest.mark.parametrize("name", [n for n in miniature.MINIATURES if n not in ("folder",)])
def test_an_empty_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^no .* in .*\n(it is called|give)|needs the VIS clips") as caught:
        load(name, tmp_path)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("name", ["casme2", "samm", "smic-hs"])
def test_a_root_that_is_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist|is no folder"):
        load(name, tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"is a file|is no folder"):
        load(name, tmp_path / "file")


def test_one_level_too_low_or_too_high(tmp_path: Path) -> None:
    root = miniature.casme2(tmp_path / "sets" / "CASME2")
    with pytest.raises(ConfigError, match=rf"but there is .*\ngive --root {root.resolve()}$"):
        load("casme2", root / "CASME2-RAW")
    with pytest.raises(ConfigError, match=rf"give --root {root.resolve()}$"):
        load("casme2", root / "CASME2-RAW" / "sub01" / "EP02_01f")
    assert len(load("casme2", tmp_path / "sets").records) == 5, "one level up still finds it"
    with pytest.raises(ConfigError, match=rf"but there is .*\ngive --root {tmp_path / 'sets'}"):
        load("casme2", tmp_path)


def test_no_workbook_no_header_no_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "CASME2-coding-1.xlsx"
    path.write_text("this is no workbook")
    with pytest.raises(ConfigError, match=r"CASME2-coding-1\.xlsx is no spreadsheet .*\ndownload it again"):
        load("casme2", tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="is no spreadsheet"):
        load("casme2", tmp_path)
    miniature.workbook(path, S=[("Subject", "Filename", "Onset"), (1, "a", 2)])
    with pytest.raises(
        ConfigError, match=r"no row has the columns Subject.*\(nearest: no OnsetFrame, OffsetFrame"
    ):
        load("casme2", tmp_path)
    miniature.workbook(path, S=[miniature.CASME2_HEADER])
    assert load("casme2", tmp_path).records == ()


def test_sheets_of_casme_sq_must_be_there(tmp_path: Path) -> None:
    miniature.casme_sq(tmp_path)
    book = tmp_path / "CAS(ME)^2code_final(Updated).xlsx"
    miniature.workbook(
        book, CASFEcode_final=[(1, "anger1_1", 5, 6, 7, "4", "negative", "micro-expression", "x")]
    )
    with pytest.raises(ConfigError, match="has no sheet 'naming rule1'"):
        load("casme-sq", tmp_path)
    miniature.workbook(book, other=[("x",)])
    with pytest.raises(ConfigError, match="has no sheet 'CASFEcode_final'"):
        load("casme-sq", tmp_path)


def test_names_missing_in_the_naming_rules(tmp_path: Path) -> None:
    row = ("anger1_1", 5, 6, 7, "4", "negative", "micro-expression", "x")
    miniature.workbook(
        tmp_path / "code_final.xlsx",
        CASFEcode_final=[(1, *row), (7, *row), (1, "fear9_1", *row[1:])],
        naming__rule1=[("s15", 1)],
        naming__rule2=[(401, "anger1")],
    )
    said = "\n".join(map(str, load("casme-sq", tmp_path).left_out))
    assert "row 1: there is no folder s15/15_0401anger1" in said
    assert "row 2: 'naming rule1' does not name subject 7" in said
    assert "row 3: 'naming rule2' does not name the film 'fear9'" in said


def test_without_the_spreadsheet_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ConfigError, match=r"needs python-calamine, .*\nrun: python -m pip install"):
        load("casme2", miniature.casme2(tmp_path))


def test_unknown_dataset_and_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown dataset 'casme9'\nchoose one of casme2"):
        load("casme9", tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        load("casme2", tmp_path, frames=tmp_path / "none")
    with pytest.raises(ConfigError, match="belongs to smic-subhs"):
        load("smic-hs", tmp_path, clip_list=tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("text", "message"), [("", "names no clip"), ("s1_ne_01\nhello", "row 2: 'hello' is no")]
)
def test_lists_of_clips_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load("smic-subhs", tmp_path, clip_list=tmp_path / "list.txt")
