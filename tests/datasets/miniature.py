"""Writes a miniature of every dataset's layout, with the slips and odd habits of the real ones.

Workbooks are written by openpyxl, another library than the one that reads them. Frames are empty files:
loaders must not read a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl

CASME2_HEADER = (
    *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None),
    *("Action Units", "Estimated Emotion"),
)
SAMM_HEADER = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration"),
    *("Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
)
LONG_HEADER = (
    *("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type"),
    *("Action Units", "Notes"),
)


def workbook(path: Path, **sheets: Iterable[Sequence[Any]]) -> Path:
    """Write a workbook; a keyword's underscores are the sheet name's blanks."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name.replace("__", " "))
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                sheet.cell(number, column, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def frames(folder: Path, numbers: Iterable[int], name: str = "img{}.jpg") -> Path:
    """Empty files for the frames of a clip."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / name.format(number)).touch()
    return folder


def casme2(root: Path, rows: Sequence[Sequence[Any]] | None = None, folder: str = "CASME2-RAW") -> Path:
    """Unnamed blank columns, mixed numbers and text, a "/" apex, differing case, a sample 65-110-110."""
    rows = rows or [
        (1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness"),
        (1, "EP03_02", None, "131", " 161\u00a0", 171.0, None, "4+R12", "Others"),
        (17, "EP15_04", None, 51, "/", 82, None, "L14", "repression"),
        (17, "EP05_09", None, 65, 110, 110, None, "4", "disgust"),
        ("sub26", "EP18_50", None, 4, 10, 0, None, "1+2", "Surprise"),
    ]
    workbook(root / "CASME2-coding-20190701.xlsx", Sheet1=[CASME2_HEADER, *rows])
    (root / "~$CASME2-coding-20190701.xlsx").write_bytes(b"lock")
    for subject, clip, _, onset, _, offset, *_ in rows:
        number = int("".join(c for c in str(subject) if c.isdigit()))
        last = int(offset) or 40
        frames(root / folder / f"sub{number:02d}" / clip, range(max(1, int(onset) - 3), last + 5))
    return root


def smic(root: Path, *cameras: str) -> Path:
    """HS with two subjects, of whom VIS and NIR know one; zeros come and go, case differs."""
    for camera in cameras or ("HS", "VIS", "NIR"):
        base = root / "SMIC_all_cropped" / camera
        people = {"s3": 2, "s11": 2} if camera == "HS" else {"s11": 2}
        for person, count in people.items():
            for label, short in (("negative", "ne"), ("positive", "po"), ("Surprise", "sur")):
                for n in range(1, count + 1):
                    clip = f"{person}_{short}_{n:02d}"
                    frames(base / person / "micro" / label / clip, range(10, 31), "reg_image{:06d}.bmp")
            frames(base / person / "non_micro" / f"{person}_non_01", range(5), "image{:06d}.bmp")
    return root


def smic_e(root: Path, absolute: bool = True, camera: str = "HS") -> Path:
    """A clip with two expressions, text below the table; names with the recording's numbers, or from 1."""
    header = ("Subject", "Filename", "OnsetF", "OffsetF", "TotalMF1", "Onset2F", "Offset2F", "TotalMF2")
    header = (*header, "FirstF", "LastF", "Emotion")
    rows = [
        ("s01", "s01_po_01", 1040, 1060, 21, 1070, 1085, 16, 1000, 1100, "positive"),
        ("s01", "s01_su_02", 2010, 2030, 21, None, None, None, 2000, 2090, 3),
    ]
    note = ("Note: three samples of the high-speed camera were lost.",)
    workbook(root / f"SMIC-{camera}-E_annotation.xlsx", Sheet1=[header, *rows, (), note])
    base = root / "SMIC-E_raw image" / f"{camera}_long" / f"SMIC-{camera}-E" / camera / "s01"
    for _, clip, *_, first, last, _ in rows:
        numbers = range(first, last + 1) if absolute else range(1, last - first + 2)
        frames(base / clip, numbers, "image{:06d}.jpg")
    return root


def samm(root: Path, rows: Sequence[Sequence[Any]] | None = None) -> Path:
    """Thirteen rows of preface, subjects as numbers and as text, an "or" between action units."""
    rows = rows or [
        (6, "006_1_2", 1, 5562, 5588, 5632, 71, "Micro - 1/2", "AU4B + R12", "Anger", 3, None),
        ("006", "006_1_3", 1, 6106, "-", 6184, 79, "Micro - 1/2", "12 or 14", "Other", 7, "x"),
        (37, "037_7_1", 7, 100, 120, 150, 51, "Micro - 1/2", "L14A", "contempt", 2, ""),
    ]
    preface = [("SAMM",), ("Spontaneous actions",), *[()] * 11]
    workbook(root / "SAMM_20181215_Micro_FACS_Codes_v2.xlsx", MICRO_ONLY=[*preface, SAMM_HEADER, *rows])
    for subject, clip, _, onset, _, offset, *_ in rows:
        person = f"{int(subject):03d}"
        frames(root / "SAMM" / person / clip, range(onset - 2, offset + 3), person + "_{:05d}.jpg")
    return root


def samm_lv(root: Path) -> Path:
    """Nine rows of preface; an onset of 0, a very long one, one of the files others skip."""
    rows = [
        (6, "006_1_2", 1, 562, 588, 632, 71, "Micro - 1/2", "AU4B", None),
        (6, "006_1_5", 1, 0, 50, 90, 91, "Macro", "12", None),
        (6, "006_1_6", 1, 700, 900, 1600, 901, "Macro", "12", None),
        (12, "012_4_1", 4, 30, 40, 60, 31, "Micro - 1/2", "12", None),
    ]
    workbook(
        root / "SAMM_LongVideos_V2_Release.xlsx", FACS=[*[("SAMM Long Videos",)] * 9, LONG_HEADER, *rows]
    )
    frames(root / "SAMM_longvideos" / "006_1", range(1, 1700), "006_1_{:04d}.jpg")
    frames(root / "SAMM_longvideos" / "012_4", range(1, 80), "012_4_{:04d}.jpg")
    return root


def casme_sq(root: Path) -> Path:
    """A sheet without header, folders' own numbers beside the subjects', codes that lost their leading
    zero, offsets and apexes of 0.
    """
    rows = [
        (1, "anger1_1", 557, 572, 608, "4+10+14+15", "negative", "macro-expression", "anger"),
        (1, "anger1_2", 2854, 2862, 2871, 38, "others", "micro-expression", "sadness"),
        (1, "disgust2_1", 100, 110, 0, "9", "negative", "micro-expression", "disgust"),
        (2, "happy1_1", 20, 0, 40, "12", "positive", "macro-expression", "happiness"),
    ]
    rule1 = [(15, "s15", 1), (16, "s16", 2), (2, "s2", 15)]
    rule2 = [(401, "anger1", "girlcrashing"), ("0102", "disgust2"), (503, "happy1")]
    workbook(
        root / "CAS(ME)^2code_final(Updated).xlsx",
        CASFEcode_final=rows,
        naming__rule1=rule1,
        naming__rule2=rule2,
    )
    base = root / "CASME_sq" / "rawpic"
    frames(base / "s15" / "15_0401girlcrashing", range(1, 2900), "img_{}.jpg")
    frames(base / "s15" / "15_0102eatingworms", range(1, 200), "img{}.jpg")
    frames(base / "s16" / "16_0503unnyinnovations", range(1, 60), "img_{}.jpg")
    return root


def casme3_a(root: Path) -> Path:
    """Several expressions in one folder, numbers from 0 or from 1, frames that are missing."""
    header = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
    rows = [
        ("spNO.1", "a", 10, 14, 20, "4+7", "I", "disgust"),
        ("spNO.1", "a", 40, 44, 52, "12", "II", "Happy"),
        ("spNO.12", "m", 0, 5, 9, "1+2", "III", "surprise"),
    ]
    workbook(root / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", label=[header, *rows])
    whole = [n for n in range(1, 80) if n not in (43, 47)]
    frames(root / "part_A" / "spNO.1" / "a" / "color", whole, "{}.jpg")
    frames(root / "part_A" / "spNO.1" / "a" / "depth", whole, "{}.png")
    frames(root / "part_A" / "spNO.12" / "m" / "color", range(0, 20), "{}.jpg")
    return root


def casme3_c(root: Path, one_film: bool = True) -> Path:
    """Action units parted by ASCII and full-width commas, full-width digits, no apex, no emotion."""
    rows = [(1, 1, 30, 41, "4,7"), (1, 2, 100, 109, "4\uff0c7"), ("17", 1, "\uff15", 12, 12)]
    workbook(root / "CAS(ME)3_part_C_ME.xlsx", Sheet1=[("sub", "count", "onset", "offset", "au"), *rows])
    for person, count in (("01", "1"), ("01", "2"), ("17", "1")):
        frames(root / "part_C" / person / ("a" if one_film else count) / "color", range(1, 140), "{}.jpg")
    return root


def mmew(root: Path, official: bool = True) -> Path:
    """The official layout (subject/emotion/clip) or MEB's (Micro_Expression/emotion/clip)."""
    header = (
        *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
        *("Action Units", "Estimated Emotion", "remarks"),
    )
    rows = [
        (3, "S03-01-002", 1, 12, 30, "12", "happiness", None),
        ("S30", "S30-06-001", 1, 9, 25, "4", "others", "weak"),
    ]
    workbook(root / "MMEW_Micro_Exp.xlsx", Sheet1=[header, *rows])
    for subject, clip, _, _, offset, _, emotion, _ in rows:
        person = f"S{int(str(subject).lstrip('S')):02d}"
        base = root / person if official else root / "Micro_Expression"
        frames(base / emotion / clip, range(1, offset + 1), "{}.jpg")
    return root


FOUR_HEADER = (
    *("sub_ID", "fold_name", "fold", "Emotion", "Onset", "Apex", "Offset", "AUs", "eye blink"),
    *("Positive", "Negative", "Surprise", "Repression", "Others", "Total", "AU1", "AU4"),
)


def fourdme(root: Path, rows: Sequence[Sequence[Any]] | None = None) -> Path:
    """Several classes to a clip, action units with "(k)", frames cut to the clip and numbered anew."""
    rows = rows or [
        ("01", "01_1", 1, "Negative", 200, 210, 224, "AU4+AU7(k)", 0, 0, 1, 0, 1, 0, 2, 0, 1),
        ("01", "01_2", 2, "Others", 30, 41, 50, "AU1", 1, 0, 0, 0, 0, 1, 1, 1, 0),
    ]
    workbook(root / "4DME_Labelling_Micro_release v1.xlsx", Sheet1=[FOUR_HEADER, *rows])
    for subject, clip, _, _, onset, _, offset, *_ in rows:
        frames(root / "gray_micro" / str(subject) / clip, range(1, offset - onset + 2), "{:03d}.jpg")
    return root


def casme(root: Path) -> Path:
    """CASME: two apex columns and an unnamed one between."""
    header = ("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AUs", "Emotion")
    rows = [
        (1, "EP01_12", None, 73, 81, 85, 91, None, "4", "tense"),
        (7, "EP03_1", None, 20, 25, 0, 31, None, "9", "disgust"),
    ]
    workbook(root / "CASME-coding.xls.xlsx", Sheet1=[header, *rows])
    for subject, clip, _, onset, _, _, offset, *_ in rows:
        frames(
            root / "CASME_raw_selected" / f"sub{subject:02d}" / clip, range(onset, offset + 1), "{:03d}.jpg"
        )
    return root


def folder(root: Path) -> Path:
    """Anyone's own clips."""
    frames(root / "anna" / "one", range(1, 30))
    text = "subject,clip,onset,apex,offset,label,AUs,fps\nanna,anna/one,5,8,12,happiness,12,100\n"
    (root / "clips.csv").write_text(text, encoding="utf-8")
    return root


MINIATURES = {
    "casme2": casme2,
    "casme": casme,
    "smic-hs": smic,
    "smic-vis": smic,
    "smic-nir": smic,
    "smic-subhs": smic,
    "smic-e-hs": smic_e,
    "smic-e-vis": partial(smic_e, camera="VIS"),
    "smic-e-nir": partial(smic_e, camera="NIR"),
    "samm": samm,
    "samm-lv": samm_lv,
    "casme-sq": casme_sq,
    "casme3-a": casme3_a,
    "casme3-c": casme3_c,
    "mmew": mmew,
    "4dme": fourdme,
    "folder": folder,
}
"""For each dataset the function that writes its miniature into a folder."""
