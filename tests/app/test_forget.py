"""Retention: after ``forget`` nothing that shows a face is left of old runs, and of new ones everything."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from stream_mer.cli import main
from stream_mer.sinks.manifest import MANIFEST, FileEntry, Manifest

FACES = (
    *("overlay.mp4", "overlay-20261101T120000Z.mp4", "report.html", "evidence/0123456789abcdef.mkv"),
    *("evidence/.0123456789abcdef.mkv.part", "overlay.parts/00000.mp4"),
    *(
        "thumbnails/0123456789abcdef-apex.jpg",
        ".overlay.mp4.part",
        ".overlay.mp4.4711.part",
        "report.html.part",
    ),
)
WORDS = (
    *("events.jsonl", "rejected.jsonl", "reviews.jsonl", "run.json", "run.json.part"),
    *("events.csv", "events.srt", "events.vtt", "events.eaf", "events.parquet", "events.csv.part"),
    *("events-20261101T120000Z.jsonl", "rejected-20261101T120000Z.jsonl", "run-20261101T120000Z.json"),
)
DAY_S = 86400


def made(root: Path, name: str, files: tuple[str, ...] = (*FACES, *WORDS), *, days: float = 0) -> Path:
    """A run's folder whose files are so many days old."""
    folder = root / name
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"of {name}")
    then = time.time() - days * DAY_S
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    return folder


def kept(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_no_face_of_an_old_run_is_left_and_all_of_a_new_one(tmp_path: Path) -> None:
    old, new = made(tmp_path, "hall/cam", days=40), made(tmp_path, "door", days=1)
    assert main(["forget", str(tmp_path), "--older-than", "30"]) == 0
    assert kept(old) == set(WORDS)
    assert kept(new) == {*FACES, *WORDS}


def test_a_report_over_many_runs_goes_with_the_first_of_them(tmp_path: Path) -> None:
    made(tmp_path, "hall/cam", days=40)
    made(tmp_path, "door", days=1)
    pages = [tmp_path / "report.html", tmp_path / "report.html.part", tmp_path / "hall" / "report.html"]
    for page in pages:
        page.write_text("faces of everybody")
    assert main(["forget", str(tmp_path), "--older-than", "60"]) == 0
    assert all(page.exists() for page in pages)
    assert main(["forget", str(tmp_path), "--older-than", "30"]) == 0
    assert not any(page.exists() for page in pages)


def test_parts_of_a_run_that_was_killed_go_too(tmp_path: Path) -> None:
    made(tmp_path, "killed", ("overlay.parts/00000.mp4",), days=40)
    fresh = made(tmp_path, "running", ("overlay.parts/00000.mp4",), days=1)
    assert main(["forget", str(tmp_path), "--older-than", "30"]) == 0
    assert kept(tmp_path) == {"running/overlay.parts/00000.mp4"}
    assert kept(fresh)


def test_everything_is_forgotten_in_the_manifest_too(tmp_path: Path) -> None:
    made(tmp_path, "hall/cam", days=40)
    made(tmp_path, "door", days=1)
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        for name in ("hall/cam", "door"):
            manifest.put_file(FileEntry(name, f"/videos/{name}.mp4", name, 1, 1, f"sha of {name}", 1, True))
            manifest.commit(f"sha of {name}", "key", 0, {"seen": f"secret of {name}"})
    assert main(["forget", str(tmp_path), "--older-than", "30", "--everything"]) == 0
    assert not (tmp_path / "hall").exists()
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        assert [entry.name for entry in manifest.files()] == ["door"]
        assert manifest.result("sha of hall/cam", "key", 0) is None
        assert manifest.result("sha of door", "key", 0)
    assert b"secret of hall" not in (tmp_path / MANIFEST).read_bytes()


def test_a_single_run_is_forgotten_in_the_manifest_above_it(tmp_path: Path) -> None:
    folder = made(tmp_path, "hall/cam", days=40)
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        manifest.put_file(FileEntry("hall/cam", "/videos/cam.mp4", "cam", 1, 1, "sha", 1, True))
    assert main(["forget", str(folder), "--older-than", "30", "--everything"]) == 0
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        assert manifest.files() == []


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_what_is_no_age_deletes_nothing(tmp_path: Path, days: str) -> None:
    folder = made(tmp_path, "cam", days=40)
    assert main(["forget", str(tmp_path), "--older-than", days]) == 2
    assert kept(folder) == {*FACES, *WORDS}
