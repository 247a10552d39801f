"""The dataset doctor: its table, its verdict and its exit code."""

from __future__ import annotations

from pathlib import Path

import evaluate
import miniature
import pytest

from stream_mer.datasets.catalogue import Published, load, published
from stream_mer.datasets.survey import survey


def lines(
    name: str, root: Path, known: Published | None = None, **options: bool
) -> dict[str, tuple[str, bool | None]]:
    found = survey(load(name, root), known or published(name), **options)
    return {check.what.strip(): (check.found, check.agrees) for check in found.checks}


def test_counts_against_published(tmp_path: Path) -> None:
    root = miniature.casme2(tmp_path)
    said = lines("casme2", root)
    assert said["micro-expressions"] == ("5", False)
    assert said["fear"] == ("0", False)
    assert said["without apex"] == ("1", None)
    own = Published("x", clips=(4, 5), subjects=3, labels={"happiness": 1})
    said = lines("casme2", root, own)
    assert said["micro-expressions"] == ("5", True)
    assert said["subjects"] == ("3", True)
    assert said["happiness"] == ("1", True)
    assert said["disgust"] == ("1", None)


@pytest.mark.parametrize("name", ["casme2", "smic-hs", "samm"])
def test_published_labels_add_up(name: str) -> None:
    known = published(name)
    assert known.clips is not None
    assert known.clips[0] <= sum(known.labels.values()) <= known.clips[1]


def test_long_videos_count_kinds_and_videos(tmp_path: Path) -> None:
    said = lines("casme-sq", miniature.casme_sq(tmp_path))
    assert said["micro-expressions"] == ("2", False)
    assert said["macro-expressions"] == ("2", False)
    assert said["videos with annotations"] == ("3", False)


def test_trouble_is_counted(tmp_path: Path) -> None:
    rows = [
        (1, "EP01", None, 10, 99, 20, None, "12", "joy"),
        (1, "EP02", None, 10, 15, 20, None, "12", "fear"),
    ]
    root = miniature.casme2(tmp_path, rows)
    (root / "CASME2-RAW" / "sub01" / "EP02" / "img12.jpg").unlink()
    said = lines("casme2", root)
    assert said["apex outside onset..offset"] == ("1", False)
    assert said["unknown labels"] == ("1", False)
    assert said["frames missing inside a clip"] == ("1", False)


@pytest.mark.parametrize(
    ("lost", "total", "usable"), [(0, 20, True), (1, 20, True), (2, 20, False), (20, 20, False)]
)
def test_usable_with_a_row_in_twenty_left_out(lost: int, total: int, usable: bool, tmp_path: Path) -> None:
    rows = [(1, f"EP{n:02d}", None, 10, 15, 20, None, "12", "fear") for n in range(total)]
    root = miniature.casme2(tmp_path, rows)
    for row in rows[:lost]:
        (root / "CASME2-RAW" / "sub01" / row[1]).rename(root / row[1])
    assert survey(load("casme2", root), published("casme2"), partial=True).usable is usable


def run(*words: str | Path) -> int:
    return evaluate.main(["doctor", *map(str, words)])


def test_exit_codes_and_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = miniature.casme2(tmp_path)
    assert run("--dataset", "casme2", "--root", root) == 3
    said = capsys.readouterr()
    assert "not usable for published figures: 5 of at least 247" in said.err
    assert "--partial" in said.err
    assert run("--dataset", "casme2", "--root", root, "--partial") == 0
    said = capsys.readouterr()
    assert "usable: 5 records of 3 subjects" in said.out
    assert "micro-expressions" in said.out
    assert "row 5: frames 65-110-110" in said.out
    assert run("--dataset", "casme2", "--root", tmp_path / "none") == 2
    assert "does not exist" in capsys.readouterr().err


def test_long_lists_are_cut_unless_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(1, f"EP{n:02d}", None, 10, 15, 20, None, "12", "joy") for n in range(25)]
    root = miniature.casme2(tmp_path, rows)
    run("--dataset", "casme2", "--root", root, "--partial")
    assert "6 more, printed by --all" in capsys.readouterr().out
    run("--dataset", "casme2", "--root", root, "--partial", "--all")
    assert capsys.readouterr().out.count("unknown label 'joy'") == 25


@pytest.mark.parametrize("name", sorted(miniature.MINIATURES))
def test_every_dataset_can_be_examined(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--dataset", name, "--root", miniature.MINIATURES[name](tmp_path), "--partial") == 0
    assert "usable:" in capsys.readouterr().out


def test_own_clips_are_counted_like_the_published_ones(tmp_path: Path) -> None:
    root = miniature.folder(tmp_path)
    with (root / "clips.csv").open("a", encoding="utf-8") as file:
        file.write("anna,anna/one,8,,400,happiness,12,100\nanna,anna/one,7,99,9,happiness,12,100\n")
    (root / "anna" / "one" / "img6.jpg").unlink()
    said = lines("folder", root)
    assert said["frames missing inside a clip"] == ("1", False)
    assert said["apex outside onset..offset"] == ("1", False), "an offset outside the frames is no apex"
    assert said["rows read"] == ("1 of 3", False)
