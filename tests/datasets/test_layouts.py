"""Every loader on a miniature of its dataset's layout, slips included."""

from __future__ import annotations

from pathlib import Path

import miniature
import pytest

from stream_mer.datasets.catalogue import READERS, load, published
from stream_mer.datasets.findings import Dataset, Problem
from stream_mer.datasets.smic import clip_key

Brief = tuple[str, str, int, int | None, int, str]


def of_rows(dataset: Dataset) -> list[Problem]:
    """Problems of single rows: a miniature has too few of them for the errata, which is one more."""
    return [problem for problem in dataset.problems if problem.row is not None]


def brief(dataset: Dataset) -> list[Brief]:
    return [(r.subject, r.clip, r.onset, r.apex, r.offset, r.label) for r in dataset.records]


@pytest.mark.parametrize("name", sorted(miniature.MINIATURES))
def test_every_row_of_a_miniature_becomes_a_record(name: str, tmp_path: Path) -> None:
    dataset = load(name, miniature.MINIATURES[name](tmp_path))
    assert dataset.left_out == ()
    assert len(dataset.whole()) == dataset.rows > 0
    for record in dataset.records:
        assert record.path.is_dir()
        assert record.path.is_relative_to(tmp_path)
        assert record.dataset == dataset.name


def test_every_dataset_has_a_miniature_and_published_figures() -> None:
    assert set(READERS) == set(miniature.MINIATURES)
    for name in READERS:
        assert published(name).title


RATES = {
    **{
        "casme2": 200,
        "casme": 60,
        "samm": 200,
        "samm-lv": 200,
        "smic-hs": 100,
        "smic-vis": 25,
        "smic-nir": 25,
    },
    **{
        "smic-subhs": 100,
        "smic-e-hs": 100,
        "smic-e-vis": 25,
        "smic-e-nir": 25,
        "casme-sq": 30,
        "casme3-a": 30,
        "casme3-c": 30,
        "mmew": 90,
    },
    **{"4dme": 60, "folder": 100},
}


@pytest.mark.parametrize("name", sorted(RATES))
def test_rates(name: str, tmp_path: Path) -> None:
    assert {r.fps for r in load(name, miniature.MINIATURES[name](tmp_path)).records} == {RATES[name]}


def test_casme2(tmp_path: Path) -> None:
    dataset = load("casme2", miniature.casme2(tmp_path))
    assert brief(dataset) == [
        ("sub01", "EP02_01f", 46, 59, 86, "happiness"),
        ("sub01", "EP03_02", 131, 161, 171, "others"),
        ("sub17", "EP15_04", 51, None, 82, "repression"),
        ("sub17", "EP05_09", 65, 110, 110, "disgust"),
        ("sub26", "EP18_50", 4, 10, 10, "surprise"),
    ]
    assert dataset.records[1].action_units == ("4", "R12")
    assert dataset.records[0].row == 2
    assert [p.row for p in of_rows(dataset)] == [5]  # the sample MEAN leaves out is named, and kept
    assert dataset.corrections == ("row 6: no offset, taken at the apex 10 (as SOFTNet does)",)


@pytest.mark.parametrize(
    "folder",
    ["CASME2-RAW", "cropped", "Cropped-updated/Cropped", "CASME2_RAW_selected", "Cropped_original", "."],
)
def test_casme2_in_each_folder_it_is_found_in(folder: str, tmp_path: Path) -> None:
    dataset = load("casme2", miniature.casme2(tmp_path, folder=folder))
    assert len(dataset.whole()) == 5


def test_smic_takes_its_labels_from_folders(tmp_path: Path) -> None:
    dataset = load("smic-hs", miniature.smic(tmp_path))
    assert dataset.rows == 12
    assert {r.label for r in dataset.records} == {"negative", "positive", "surprise"}
    assert dataset.subjects == ("s03", "s11")
    record = dataset.records[0]
    assert (record.onset, record.apex, record.offset, record.middle) == (10, None, 30, 20)


@pytest.mark.parametrize("root", [".", "SMIC_all_cropped", "SMIC_all_cropped/HS"])
def test_smic_from_any_level(root: str, tmp_path: Path) -> None:
    assert len(load("smic-hs", miniature.smic(tmp_path) / root).records) == 12


def test_subhs_is_what_was_also_filmed_with_vis_or_a_list(tmp_path: Path) -> None:
    miniature.smic(tmp_path)
    assert load("smic-subhs", tmp_path).subjects == ("s11",)
    clips = tmp_path / "list.txt"
    clips.write_text("# mine\ns03_ne_01\nS3_sur_2  # zeros and case do not matter\n\n")
    chosen = load("smic-subhs", tmp_path, clip_list=clips)
    assert {r.clip for r in chosen.whole()} == {"s3_ne_01", "s3_sur_02"}
    clips.write_text("s03_ne_01\ns20_ne_01\n")
    assert "clip s20_ne_1 of the list is not there" in str(
        load("smic-subhs", tmp_path, clip_list=clips).left_out[0]
    )


def test_clip_key() -> None:
    assert clip_key("s03_Sur_01") == clip_key("S3_su_1") == "s3_su_1"


@pytest.mark.parametrize("absolute", [True, False])
def test_smic_e_counts_from_the_clips_first_frame(absolute: bool, tmp_path: Path) -> None:
    dataset = load("smic-e-hs", miniature.smic_e(tmp_path, absolute))
    assert dataset.rows == 3  # the first clip holds two; the remark below the table is none
    spans = [(r.onset - r.first_frame, r.offset - r.first_frame) for r in dataset.records]
    assert spans == [(40, 60), (70, 85), (10, 30)]
    assert [r.label for r in dataset.records] == ["positive", "positive", "surprise"]


def test_samm(tmp_path: Path) -> None:
    dataset = load("samm", miniature.samm(tmp_path))
    assert brief(dataset) == [
        ("006", "006_1_2", 5562, 5588, 5632, "anger"),
        ("006", "006_1_3", 6106, None, 6184, "others"),
        ("037", "037_7_1", 100, 120, 150, "contempt"),
    ]
    assert dataset.records[0].row == 15
    assert dataset.records[0].action_units == ("4", "R12")
    assert ["'or' is not an action unit" in str(p) for p in of_rows(dataset)] == [True]


def test_long_videos_take_their_emotions_from_samm(tmp_path: Path) -> None:
    miniature.samm_lv(tmp_path)
    alone = load("samm-lv", tmp_path)
    assert {r.label for r in alone.records} == {"unlabelled"}
    assert "the workbook of SAMM itself is missing" in str(alone.problems[0])
    both = load("samm-lv", miniature.samm(tmp_path))
    assert brief(both) == [
        ("006", "006_1", 562, 588, 632, "anger"),
        ("006", "006_1", 1, 50, 90, "unlabelled"),  # a macro-expression has none, whatever its file name
        ("006", "006_1", 700, 900, 1600, "unlabelled"),
        ("012", "012_4", 30, 40, 60, "unlabelled"),
    ]
    assert [r.kind for r in both.records] == ["micro", "macro", "macro", "micro"]
    said = "\n".join(map(str, both.problems))
    assert "frames 700..1600 are more than 800" in said
    assert "012_4_1 is left out by LGSNet" in said
    assert both.corrections == ("row 12: onset 0 taken as the first frame",)


def test_casme_sq_follows_its_naming_rules(tmp_path: Path) -> None:
    dataset = load("casme-sq", miniature.casme_sq(tmp_path))
    assert brief(dataset) == [
        ("s15", "15_0401girlcrashing", 557, 572, 608, "negative"),
        ("s15", "15_0401girlcrashing", 2854, 2862, 2871, "others"),
        ("s15", "15_0102eatingworms", 100, 110, 110, "negative"),
        ("s16", "16_0503unnyinnovations", 20, None, 40, "positive"),
    ]
    assert [r.kind for r in dataset.records] == ["macro", "micro", "micro", "macro"]
    assert dataset.records[1].action_units == ("38",)


def test_casme3_a(tmp_path: Path) -> None:
    dataset = load("casme3-a", miniature.casme3_a(tmp_path))
    assert brief(dataset) == [
        ("spNO.1", "a", 10, 14, 20, "disgust"),
        ("spNO.1", "a", 40, 44, 52, "happiness"),
        ("spNO.12", "m", 0, 5, 9, "surprise"),
    ]
    assert dataset.records[2].first_frame == 0
    assert [str(p).splitlines()[0].split(": ", 1)[1] for p in of_rows(dataset)] == [
        f"2 of the frames 40..52 are missing in {tmp_path / 'part_A/spNO.1/a/color'}"
    ]


@pytest.mark.parametrize("one_film", [True, False])
def test_casme3_c_has_wide_commas_and_digits(one_film: bool, tmp_path: Path) -> None:
    dataset = load("casme3-c", miniature.casme3_c(tmp_path, one_film))
    assert brief(dataset) == [
        ("01", "1", 30, None, 41, "unlabelled"),
        ("01", "2", 100, None, 109, "unlabelled"),
        ("17", "1", 5, None, 12, "unlabelled"),
    ]
    assert [r.action_units for r in dataset.records] == [("4", "7"), ("4", "7"), ("12",)]


@pytest.mark.parametrize("official", [True, False])
def test_mmew_in_both_layouts(official: bool, tmp_path: Path) -> None:
    dataset = load("mmew", miniature.mmew(tmp_path, official))
    assert brief(dataset) == [
        ("S03", "S03-01-002", 1, 12, 30, "happiness"),
        ("S30", "S30-06-001", 1, 9, 25, "others"),
    ]


def test_4dme_may_carry_several_classes(tmp_path: Path) -> None:
    first, second = load("4dme", miniature.fourdme(tmp_path)).whole()
    assert first.labels == ("negative", "repression")
    assert first.label == "negative"
    assert first.action_units == ("4",), "AU7(k) is uncertain and left out"
    assert (first.onset, first.apex, first.offset) == (1, 11, 25)
    assert second.labels == ("others",)


def test_frames_where_the_user_says(tmp_path: Path) -> None:
    miniature.casme2(tmp_path, folder="elsewhere/pictures")
    assert len(load("casme2", tmp_path, frames=tmp_path / "elsewhere" / "pictures").whole()) == 5
