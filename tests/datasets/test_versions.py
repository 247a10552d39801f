"""Versions of the datasets' files that differ from the usual layout, each met in somebody's copy."""

from __future__ import annotations

from pathlib import Path

import miniature
import pytest

from stream_mer.datasets.catalogue import load


def test_clips_cut_to_the_expression_and_numbered_anew(tmp_path: Path) -> None:
    row = (1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness")
    miniature.workbook(tmp_path / "CASME2-coding-x.xlsx", S=[miniature.CASME2_HEADER, row])
    miniature.frames(tmp_path / "CASME2_RAW_selected" / "sub01" / "EP02_01f", range(1, 42))
    record = load("casme2", tmp_path).whole()[0]
    assert (record.onset, record.apex, record.offset, record.first_frame) == (1, 14, 41, 1)


def test_smic_e_numbered_anew_though_the_tables_numbers_fit_too(tmp_path: Path) -> None:
    # Frames 1..600 hold 300..330 as well, but the recording's number 250 is the clip's first frame.
    header = ("Subject", "Filename", "OnsetF", "OffsetF", "FirstF", "LastF", "Emotion")
    row = ("s03", "s03_ne_01", 300, 330, 250, 849, "negative")
    miniature.workbook(tmp_path / "SMIC-HS-E_annotation.xlsx", Sheet1=[header, row])
    base = tmp_path / "SMIC-E_raw image" / "HS_long" / "SMIC-HS-E" / "HS" / "s3"
    miniature.frames(base / "s3_ne_01", range(1, 601), "image{:06d}.jpg")  # zeros come and go
    (found,) = load("smic-e-hs", tmp_path).whole()
    assert (found.onset, found.offset, found.first_frame) == (51, 81, 1)


def test_smic_e_with_the_people_directly_in_its_folder(tmp_path: Path) -> None:
    folder = miniature.smic_e(tmp_path) / "SMIC-E_raw image" / "HS_long" / "SMIC-HS-E"
    (folder / "HS" / "s01").rename(folder / "s01")
    (folder / "HS").rmdir()
    assert len(load("smic-e-hs", tmp_path).whole()) == 3


def test_mmew_one_level_deeper(tmp_path: Path) -> None:
    miniature.mmew(tmp_path, official=False)
    (tmp_path / "MMEW_Final").mkdir()
    (tmp_path / "Micro_Expression").rename(tmp_path / "MMEW_Final" / "Micro_Expression")
    assert len(load("mmew", tmp_path).whole()) == 2


@pytest.mark.parametrize("rule", [(15, "s15", 1), (1, "S15", 15), ("s15", 1), (1, "s15")])
def test_casme_sq_takes_no_folders_number_for_a_subjects(rule: tuple[object, ...], tmp_path: Path) -> None:
    # The published sheet has the folder's own number in front; folder s2 is the subject 15.
    row = ("anger1_1", 5, 6, 7, "4", "negative", "micro-expression", "x")
    miniature.workbook(
        tmp_path / "code_final.xlsx",
        CASMEcode_final=[(1, *row), (15, *row)],
        naming__rule1=[rule, (2, "s2", 15)],
        naming__rule2=[(401, "anger1")],
    )
    for folder in ("s15/15_0401girlcrashing", "2/2_0401girlcrashing"):  # folders without the s, too
        miniature.frames(tmp_path / "rawpic" / folder, range(1, 20), "img_{}.jpg")
    assert [r.subject for r in load("casme-sq", tmp_path).whole()] == ["s15", "s2"]


def test_casme3_from_an_old_workbook_with_both_kinds(tmp_path: Path) -> None:
    # Written by another library (xlwt): the same three rows, one of them a macro-expression.
    miniature.casme3_a(tmp_path)
    (tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx").unlink()
    golden = Path(__file__).parent / "golden" / "casme3_part_a.xls"
    (tmp_path / "CAS(ME)3_part_A_v2.xls").write_bytes(golden.read_bytes())
    dataset = load("casme3-a", tmp_path)
    assert [(r.onset, r.kind) for r in dataset.whole()] == [(10, "micro"), (40, "macro"), (0, "micro")]


def test_casme3_full_workbook_names_no_emotions(tmp_path: Path) -> None:
    miniature.casme3_a(tmp_path)
    (tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx").unlink()
    header = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Expression type", "Objective class")
    rows = [
        ("spNO.1", "A", 10, 14, 20, "4+7", "Micro-expression", "I"),
        ("spNO.12", "m", 0, 5, 9, "1+2", "Macro-expression", "III"),
    ]
    miniature.workbook(tmp_path / "CAS(ME)3_part_A_v2.xlsx", Sheet1=[header, *rows])
    found = [(r.onset, r.kind, r.label) for r in load("casme3-a", tmp_path).whole()]
    assert found == [(10, "micro", "unlabelled"), (0, "macro", "unlabelled")]


@pytest.mark.parametrize("flat", [True, False])
def test_4dme_knows_a_person_who_came_twice(flat: bool, tmp_path: Path) -> None:
    # Else leave-one-subject-out would train on the person it tests.
    rest = (1, "Others", 30, 41, 50, "AU1", 0, 0, 0, 0, 0, 1, 1, 1, 0)
    visits = ("S13_1st", "S13_2nd", "S58_2", "S7")
    rows = [(f"{visit}'", "'001_01_1", *rest) for visit in visits]  # apostrophes as in the workbook
    miniature.workbook(
        tmp_path / "4DME_Labelling_Micro_release v1.xlsx", Sheet1=[miniature.FOUR_HEADER, *rows]
    )
    for visit in visits:
        folder = f"{visit}_001_01_1" if flat else f"{visit}/001_01_1"
        miniature.frames(tmp_path / "gray_micro" / folder, range(1, 22), "{:03d}.jpg")
    dataset = load("4dme", tmp_path)
    assert [r.subject for r in dataset.whole()] == ["S13", "S13", "S58", "S7"]
    assert len({r.path for r in dataset.records}) == 4
