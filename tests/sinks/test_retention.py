"""What is deleted of recordings: the oldest pictures, no more than it must, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.keeping import keeping
from stream_mer.sinks.retention import FRESH_S, Retention, expired, sweep

NOW = 2_000_000_000.0
DAY = 86_400.0
EVENT = "916bf899050ae3f9"
_files = st.lists(
    st.tuples(
        st.integers(0, 999).map(lambda n: Path(f"{n}")),
        st.integers(0, 10**9),
        st.one_of(st.floats(0, 1e6), st.floats(1e6 - 200, 1e6)),
    ),
    unique_by=lambda f: f[0],
)


@given(_files, st.none() | st.floats(0.1, 10), st.none() | st.floats(0.01, 5))
def test_the_oldest_go_and_no_more_than_must(
    files: list[tuple[Path, int, float]], days: float | None, gigabytes: float | None
) -> None:
    now = 1e6
    going = expired(files, Retention(Path("."), days, gigabytes), now)
    staying = [f for f in files if f[0] not in going]
    gone = [f for f in files if f[0] in going]
    assert len(set(going)) == len(going)
    assert all(f[2] <= now - FRESH_S for f in gone), "what is being written stays"
    left = sum(f[1] for f in staying)
    old = [f for f in staying if f[2] <= now - FRESH_S]
    if days is not None:
        assert all(now - f[2] <= days * DAY for f in old)
    if gigabytes is not None and old:
        assert left <= gigabytes * 1e9
    if gone:
        newest = max(gone, key=lambda f: (f[2], f[0]))
        too_old = days is not None and now - newest[2] > days * DAY
        assert too_old or (gigabytes is not None and left + newest[1] > gigabytes * 1e9), "not one too many"
        assert not old or newest[2] <= min(f[2] for f in old)


def put(path: Path, days_old: float, size: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - days_old * DAY,) * 2)
    return path


def test_faces_go_wherever_they_are_and_nothing_else(tmp_path: Path) -> None:
    run = tmp_path / "door" / "20260101T000000Z"
    old = [
        put(run / "segments" / "overlay-20260101T000000Z.mp4", 30),
        put(tmp_path / "by-hand" / "overlay-20260101T000100Z.mp4", 30),
        *(put(run / "thumbnails" / f"{EVENT}-{m}.jpg", 30) for m in ("onset", "apex", "offset")),
    ]
    kept = [
        put(run / "segments" / "overlay-20260102T000000Z.mp4", 3),
        *(put(run / name, 30) for name in ("events.jsonl", "run.json", "reviews.jsonl", "overlay.mp4")),
        put(tmp_path / "thumbnails" / "holiday-offset.jpg", 30),
        put(tmp_path / "overlay-of-mine.mp4", 30),
    ]
    assert sweep(Retention(tmp_path, days=14), NOW) == len(old)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in kept)


def test_the_limit_of_size_holds_for_all_cameras_together(tmp_path: Path) -> None:
    files = [
        put(tmp_path / camera / f"overlay-2026010{day}T000000Z.mp4", 9 - day, 400_000)
        for day in (1, 2, 3)
        for camera in ("door", "hall")
    ]
    assert sweep(Retention(tmp_path, gigabytes=0.001), NOW) == 4
    assert [path.exists() for path in files] == [False] * 4 + [True] * 2


def test_what_cannot_be_deleted_is_told_once_and_keeps_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = [put(tmp_path / f"overlay-20260101T00000{n}Z.mp4", 30) for n in range(3)]
    unlink = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path != files[2]:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    assert sweep(Retention(tmp_path, days=14), NOW) == 1
    assert not files[2].exists()
    (told,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told.startswith("cannot delete 2 recorded files")


def test_it_happens_while_no_camera_delivers(tmp_path: Path) -> None:
    old = put(tmp_path / "overlay-20260101T000000Z.mp4", 0)
    os.utime(old, (time.time() - 2 * DAY,) * 2)
    rounds = keeping(Retention(tmp_path, days=1), every_s=0.01)
    rounds.start()
    deadline = time.monotonic() + 20
    while old.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    rounds.close()
    rounds.close()


def test_without_a_limit_nothing_is_looked_at(tmp_path: Path) -> None:
    rounds = keeping(Retention(tmp_path))
    rounds.start()
    rounds.close()
