"""The benchmarks over several datasets at once, and the paper's study where it could deceive."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import miniature
import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
torch = pytest.importorskip("torch")

import evaluate  # noqa: E402
import paper_clips  # noqa: E402
import reproduce_paper  # noqa: E402

from stream_mer.app.clip_frames import read_clip  # noqa: E402
from stream_mer.datasets.records import ClipRecord  # noqa: E402
from stream_mer.synth import plan  # noqa: E402
from stream_mer.synth.fields import draw_style  # noqa: E402
from stream_mer.training.paper_report import Report, write_report  # noqa: E402
from stream_mer.training.paper_study import VIEWS, FaceClip, Views, frame_splits, svm_table  # noqa: E402

torch.set_num_threads(1)
Clips = list[tuple[int, str, str, Path]]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three 'people', one clip of each class, as four datasets keep their own."""
    source, root = tmp_path_factory.mktemp("rendered"), tmp_path_factory.mktemp("sets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper_clips, "VARIANTS", paper_clips.VARIANTS[:3])
        # All move as described: so few clips teach what a unit looks like, not how people differ.
        patch.setattr(plan, "draw_style", lambda rng, version, **_: draw_style(rng, version, strength=0.0))
        paper_clips.render_dataset(source, None, 1, 1, None)
    rows = list(csv.DictReader((source / "clips.csv").open(encoding="utf-8")))
    people = sorted({row["subject"] for row in rows})
    clips = [(people.index(r["subject"]) + 1, r["label"], r["AUs"], source / r["clip"]) for r in rows]
    return {
        "casme2": as_casme2(root / "casme2", clips),
        "smic-hs": as_smic(root / "smic", clips),
        "samm": as_samm(root / "samm", clips),
        "mmew": as_mmew(root / "mmew", clips),
    }


def as_casme2(root: Path, clips: Clips) -> Path:
    rows: list[Sequence[Any]] = [miniature.CASME2_HEADER]
    for person, label, units, folder in clips:
        rows.append((person, f"EP_{label}", None, 6, "/", 25, None, units, label))
        shutil.copytree(folder, root / "CASME2-RAW" / f"sub{person:02d}" / f"EP_{label}")
    miniature.workbook(root / "CASME2-coding-20140508.xlsx", Sheet1=rows)
    return root


def as_smic(root: Path, clips: Clips) -> Path:
    named = {"disgust": ("negative", "ne"), "happiness": ("positive", "po"), "surprise": ("surprise", "su")}
    for person, label, _, folder in clips:
        if label in named:
            emotion, short = named[label]
            shutil.copytree(folder, root / "HS" / f"s{person}" / "micro" / emotion / f"s{person}_{short}_01")
    return root


def as_samm(root: Path, clips: Clips) -> Path:
    rows: list[Sequence[Any]] = [*[("SAMM",)] * 13, miniature.SAMM_HEADER]
    for number, (person, label, units, folder) in enumerate(clips):
        emotion = {"others": "Other", "repression": "Contempt"}.get(label, label.capitalize())
        name = f"{person:03d}_1_{number}"
        rows.append((person, name, 1, 6, "-", 25, 20, "Micro - 1/2", units, emotion, 3, None))
        shutil.copytree(folder, root / "SAMM" / f"{person:03d}" / name)
    miniature.workbook(root / "SAMM_20181215_Micro_FACS_Codes_v2.xlsx", MICRO_ONLY=rows)
    return root


def as_mmew(root: Path, clips: Clips) -> Path:
    head = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units")
    rows: list[Sequence[Any]] = [(*head, "Estimated Emotion")]
    for person, label, units, folder in clips:
        emotion = {"repression": "others"}.get(label, label)
        name = f"S{person:02d}-{label}"
        rows.append((person, name, 6, 12, 25, units, emotion))
        shutil.copytree(folder, root / "Micro_Expression" / emotion / name)
    miniature.workbook(root / "MMEW_Micro_Exp.xlsx", Sheet1=rows)
    return root


def given(sets: dict[str, Path], *names: str) -> Iterator[str]:
    for name in names:
        yield from ("--set", f"{name}={sets[name]}")


def test_the_composite_pools_three_datasets(sets: dict[str, Path], assets_dir: Path, capsys) -> None:
    words = ["features", "--protocol", "composite", *given(sets, "casme2", "smic-hs", "samm")]
    assert evaluate.main(words) == 0
    said = capsys.readouterr().out
    assert "- casme2: 12 samples, the composite has 145" in said  # others are left out
    assert "33 clips of 9 people" in said
    for feature in ("LBP-TOP", "LPQ-TOP"):
        figures = {
            cells[1].strip(): cells[2:]
            for cells in (line.split("|") for line in said.splitlines())
            if len(cells) > 2 and cells[1].strip().startswith(feature)
        }
        parts = {"casme2": 12, "smic-hs": 9, "samm": 12}
        assert set(figures) == {feature, *(f"{feature}, {name}" for name in parts)}
        right = sum(float(figures[f"{feature}, {name}"][0]) * count for name, count in parts.items())
        assert right / 33 == pytest.approx(float(figures[feature][0]), abs=2e-3)


def test_cd6me_leaves_each_dataset_out(sets: dict[str, Path], assets_dir: Path, capsys) -> None:
    assert evaluate.main(["features", "--protocol", "cd6me", *given(sets, "casme2", "mmew")]) == 0
    said = capsys.readouterr().out
    assert "- 2 of the six sets: not CD6ME's own figure" in said
    assert "| feature | casme2 | mmew | mean |" in said
    assert "30 clips; action units 1, 2, 4," in said
    # The same pictures are in both: what one teaches is right for the other, and equally so.
    (row,) = (line for line in said.splitlines() if line.startswith("| LBP-TOP"))
    casme2, mmew = (float(cell) for cell in row.split("|")[2:4])
    assert casme2 == mmew > 30


def test_the_report_has_the_composite(sets: dict[str, Path], assets_dir: Path, tmp_path: Path) -> None:
    words = ["--casme2", sets["casme2"], "--smic", sets["smic-hs"], "--samm", sets["samm"]]
    words += ["--epochs", "1", "--engine", "bicubic", "--out", tmp_path]
    assert reproduce_paper.main(list(map(str, words))) == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "# Reproduction of the paper on casme2, smic-hs, samm\n" in text
    assert "no SMIC-subHS: SMIC-subHS needs the VIS clips" in text
    composite = text.split("## MEGC 2019 composite, three classes")[1]
    assert "samm: 12 samples, the composite has 133" in composite
    assert composite.count("| LBP-TOP |") == composite.count("| LPQ-TOP |") == len(VIEWS)
    assert "it never saw" not in text, "no super-resolver was trained here"


def test_a_wrong_list_of_clips_is_an_error_not_a_note(sets: dict[str, Path], tmp_path: Path, capsys) -> None:
    words = ["--subhs", str(tmp_path / "none.txt"), "--out", str(tmp_path)]
    assert reproduce_paper.main(["--smic", str(sets["smic-hs"]), *words]) == 2
    assert "cannot read the list of clips" in capsys.readouterr().err
    assert reproduce_paper.main(["--casme2", str(sets["casme2"]), *words]) == 2
    assert "give --smic PATH, too" in capsys.readouterr().err


def test_one_person_alone_is_refused_in_words(
    sets: dict[str, Path], assets_dir: Path, tmp_path, capsys
) -> None:
    root = tmp_path / "one"
    shutil.copytree(sets["smic-hs"] / "HS" / "s1", root / "HS" / "s1")
    assert evaluate.main(["features", "--protocol", "loso", "--set", f"smic-hs={root}"]) == 3
    assert "3 clips of 1 people, labelled negative, positive, surprise\n2 people" in capsys.readouterr().err
    words = ["--smic", str(root), "--out", str(tmp_path / "out")]
    assert reproduce_paper.main(words) == 3
    assert "3 people and 2 classes are needed" in capsys.readouterr().err


def test_frames_of_a_video_file_are_counted_as_its_annotator_counts(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 64))
    for number in range(20):
        writer.write(np.full((64, 64, 3), 10 * number, np.uint8))
    writer.release()
    record = ClipRecord("folder", "a", "clip", tmp_path / "clip.avi", 25.0, 5, None, 9, "others")
    levels = [float(frame.mean()) / 10 for frame in read_clip(record, 5)]
    assert levels == pytest.approx([5, 6, 7, 8, 9], abs=0.3)
    assert len(read_clip(record, 12)) == 12


def small_views(people: int) -> tuple[Views, list[int], list[str]]:
    rng = np.random.default_rng(5)
    clips = [rng.integers(0, 256, (6, 24, 24, 3), dtype=np.uint8) for _ in range(2 * people)]
    return (
        Views(dict.fromkeys(VIEWS, clips)),
        [k % 2 for k in range(2 * people)],
        [f"s{k // 2}" for k in range(2 * people)],
    )


def test_people_the_super_resolver_was_trained_on_are_told_apart(tmp_path: Path) -> None:
    views, labels, people = small_views(4)
    honest = svm_table(views, labels, people)
    assert all(row.unseen is None for row in honest)
    rows = svm_table(views, labels, people, {"s0", "s2"})
    assert [row.honest for row in rows] == [row.honest for row in honest]
    assert {row.unseen.samples for row in rows if row.unseen} == {4}
    everybody = svm_table(views, labels, people, {"nobody"})
    assert [row.unseen for row in everybody] == [row.honest for row in honest]
    path = write_report(Report("t", (), "e", (), tuple(rows)), tmp_path, show_faces=False)
    text = path.read_text(encoding="utf-8")
    assert "**the rows of SR above are leaked, no result**" in text
    assert text.count("| LBP-TOP | SR |") == 2


def test_a_frame_shown_twice_is_dealt_once() -> None:
    rng = np.random.default_rng(7)
    clips = []
    for person in range(6):
        faces = rng.integers(0, 256, (6, 128, 128, 3), dtype=np.uint8)
        clips.append(FaceClip(f"s{person}", "others", faces[[0, 0, 1, 2, 2, 3]]))
    repeated = {6 * clip + k for clip in range(6) for k in (1, 4)}
    for split in frame_splits(clips):
        dealt = {*split.train, *split.test, *split.validation}
        assert dealt == set(range(36)) - repeated
