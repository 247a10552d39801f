"""Mistakes of people that would make figures wrong without a word: each is found and said."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import evaluate_features
import miniature
import pytest
from evaluate import main

from stream_mer.datasets.catalogue import load
from stream_mer.datasets.findings import Dataset

GOOD = (1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness")
SAMM_ROW = ("006", "006_1_2", 1, 5562, 5588, 5632, 71, "Micro - 1/2", "AU4B", "Anger", 3, None)


def casme2(root: Path, *rows: tuple[Any, ...], first: int = 40) -> Dataset:
    """CASME II with these rows, all about one clip whose frames are there."""
    miniature.workbook(root / "CASME2-coding-20140508.xlsx", S=[miniature.CASME2_HEADER, *rows])
    miniature.frames(root / "CASME2-RAW" / "sub01" / "EP02_01f", range(first, 95))
    return load("casme2", root)


def said(dataset: Dataset) -> list[str]:
    """The problems, without the errata of another version."""
    return [str(problem) for problem in dataset.problems if "errata not applied" not in problem.what]


def test_several_workbooks_are_named_and_which_one_is_read(tmp_path: Path) -> None:
    assert said(casme2(tmp_path, GOOD)) == []
    other = (1, "EP02_01f", None, 60, 61, 86, None, "12", "disgust")
    miniature.workbook(tmp_path / "CASME2-coding-old.xlsx", S=[miniature.CASME2_HEADER, other])
    dataset = load("casme2", tmp_path)
    assert dataset.records[0].label == "disgust"
    (told,) = said(dataset)
    assert "CASME2-coding-old.xlsx: read, but there are others: CASME2-coding-20140508.xlsx" in told


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, *GOOD[1:]), "row 3: subject is empty\nfill it in .*merged"),
        ((1, None, *GOOD[2:]), "row 3: clip is empty"),
        ((1, "EP02_01", *GOOD[2:]), "row 3: same clip and onset as row 2"),
        (("sub 01", *GOOD[1:]), "row 3: same clip and onset as row 2"),
    ],
)
def test_rows_that_are_left_out_say_why(row: tuple[Any, ...], message: str, tmp_path: Path) -> None:
    dataset = casme2(tmp_path, GOOD, row)
    assert len(dataset.records) == len(dataset.left_out) == 1
    assert_matches(message, said(dataset))


def test_a_row_without_an_emotion_is_kept_and_said(tmp_path: Path) -> None:
    dataset = casme2(tmp_path, (*GOOD[:8], None))
    assert dataset.records[0].label == "unlabelled"
    assert_matches("row 2: no emotion is named", said(dataset))


def test_frames_numbered_from_0_where_the_annotator_counts_from_1_are_said(tmp_path: Path) -> None:
    assert_matches(
        "frames of 1 clips begin at 0, those of casme2 at 1", said(casme2(tmp_path, GOOD, first=0))
    )
    shutil.rmtree(tmp_path / "CASME2-RAW")
    assert said(casme2(tmp_path, GOOD, first=1)) == []


@pytest.mark.parametrize("first", [0, 1])
def test_a_clip_cut_to_its_expression_may_begin_at_any_number(first: int, tmp_path: Path) -> None:
    miniature.workbook(tmp_path / "CASME2-coding-20140508.xlsx", S=[miniature.CASME2_HEADER, GOOD])
    miniature.frames(tmp_path / "CASME2_RAW_selected" / "sub01" / "EP02_01f", range(first, first + 41))
    dataset = load("casme2", tmp_path)
    assert said(dataset) == []
    (record,) = dataset.records
    assert (record.onset, record.apex, record.offset) == (first, first + 13, first + 40)


def smic(root: Path, *clips: str) -> Dataset:
    for clip in clips:
        miniature.frames(root / "SMIC_all_cropped" / "HS" / clip, range(10, 20))
    return load("smic-hs", root)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ("s3/micro/negative/s11_ne_01", "subject s03 does not fit the clip s11_ne_01, which is of 11"),
        ("s3/micro/negative/s3_po_01", "negative does not fit the clip s3_po_01, which is positive"),
        ("s03/micro/negative/S3_NE_1", "the same clip is in .*s3/micro/negative/s3_ne_01|.*S3_NE_1"),
    ],
)
def test_a_clip_in_the_wrong_folder_of_smic_is_left_out(clip: str, message: str, tmp_path: Path) -> None:
    dataset = smic(tmp_path, "s3/micro/negative/s3_ne_01", clip)
    assert len(dataset.records) == len(dataset.left_out) == 1
    assert_matches(message, said(dataset))


def test_a_person_of_smic_without_clips_is_said(tmp_path: Path) -> None:
    dataset = smic(tmp_path, "s3/micro/negative/s3_ne_01", "s5/negative/s5_ne_01")
    assert_matches("s5: there is no folder micro in it", said(dataset))


@pytest.mark.parametrize(
    ("subject", "label", "message"),
    [
        ("s02", "positive", "row 2: subject s02 does not fit the clip s01_po_01"),
        ("s01", "negative", "row 2: negative does not fit the clip s01_po_01, which is positive"),
    ],
)
def test_a_row_of_smic_e_must_fit_its_clip(subject: str, label: str, message: str, tmp_path: Path) -> None:
    header = ("Subject", "Filename", "OnsetF", "OffsetF", "FirstF", "LastF", "Emotion")
    row = (subject, "s01_po_01", 1040, 1060, 1000, 1100, label)
    miniature.workbook(tmp_path / "SMIC-HS-E_annotation.xlsx", S=[header, row])
    miniature.frames(tmp_path / "SMIC-E" / "HS" / "s01_po_01", range(1000, 1101))
    dataset = load("smic-e-hs", tmp_path)
    assert dataset.records == ()
    assert_matches(message, said(dataset))


def test_a_subject_of_samm_must_fit_the_file_name(tmp_path: Path) -> None:
    dataset = load("samm", miniature.samm(tmp_path, [SAMM_ROW, (7, *SAMM_ROW[1:])]))
    assert len(dataset.records) == 1
    assert_matches("subject 007 does not fit the clip 006_1_2, which is of 6", said(dataset))


def test_a_subject_of_a_long_video_must_fit_the_file_name(tmp_path: Path) -> None:
    rows = [("7", "006_1_1", 1, 10, 12, 20, 11, "Micro - 1/2", "4", None)]
    preface = [("SAMM",), *[()] * 8]
    table = tmp_path / "SAMM_LongVideos_V1_Release.xlsx"
    miniature.workbook(table, S=[*preface, miniature.LONG_HEADER, *rows])
    miniature.frames(tmp_path / "SAMM_longvideos" / "006_1", range(1, 40), "006_1_{:04d}.jpg")
    (problem,) = load("samm-lv", tmp_path).left_out
    assert "row 11: subject 7 does not fit the clip 006_1, which is of 6" in str(problem)


def test_a_subject_of_mmew_must_fit_the_file_name(tmp_path: Path) -> None:
    root = miniature.mmew(tmp_path, official=False)
    header = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion")
    rows = [(4, "S03-01-002", 1, 12, 30, "happiness")]
    miniature.workbook(root / "MMEW_Micro_Exp.xlsx", Sheet1=[header, *rows])
    assert_matches("subject S04 does not fit the clip S03-01-002", said(load("mmew", root)))


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("anna", "Anna"), True),
        (("sub1", "sub 01"), True),
        (("s1_1", "s11"), False),
        (("anna", "hanna"), False),
    ],
)
def test_one_person_under_two_names_is_said(names: tuple[str, str], alike: bool, tmp_path: Path) -> None:
    lines = ["subject,clip,onset,apex,offset,label,AUs,fps"]
    for k, name in enumerate(names):
        miniature.frames(tmp_path / f"clip{k}", range(1, 30))
        lines.append(f"{name},clip{k},5,8,12,happiness,12,100")
    (tmp_path / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    told = said(load("folder", tmp_path))
    assert bool(told) is alike
    if alike:
        assert_matches(f"subjects '{names[0]}' and '{names[1]}' count as different people", told)


def test_figures_say_what_they_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    casme2(tmp_path, (*GOOD[:5], float("nan"), *GOOD[6:]), (9, *GOOD[1:]))
    monkeypatch.setattr(evaluate_features.paper_clips, "cut_clips", lambda *_: ([], [], []))
    assert main(["features", "--protocol", "loso", "--set", f"casme2={tmp_path}"]) != 0
    told = capsys.readouterr().out
    assert "- casme2: 1 of 2 rows could not be read, the first: there is no folder sub09" in told
    assert "(row 3)" in told
    assert "- casme2: notes 1, corrections 1; evaluate.py doctor lists them" in told


def test_a_dataset_given_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    casme2(tmp_path, GOOD)
    words = ["--set", f"casme2={tmp_path}"]
    assert main(["features", "--protocol", "loso", *words, *words]) == 2
    assert "given twice" in capsys.readouterr().err


def assert_matches(message: str, told: list[str]) -> None:
    assert len(told) == 1, told
    assert re.search(f"(?s){message}", told[0]), told[0]
