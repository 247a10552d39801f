"""Finding events again: every filter against plain Python, and nothing but reading allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_samples import event

from stream_mer.errors import ConfigError
from stream_mer.sinks.event_log import EventRecord, to_line
from stream_mer.sinks.event_table import COLUMNS, Filter, find_logs, load, select
from stream_mer.types import LABELS, Event


def logs(root: Path, cameras: dict[str, list[Event]]) -> Path:
    for camera, events in cameras.items():
        (root / camera).mkdir(parents=True, exist_ok=True)
        lines = [to_line(EventRecord(one, "2026-11-22T08:00:00+00:00", {})) for one in events]
        (root / camera / "events.jsonl").write_text("".join(lines))
    return root


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return logs(
        tmp_path,
        {"hall/a": [event(1000), event(61_000)], "hall/b": [event(2000)], "door": [event(500), event(3000)]},
    )


def count(root: Path, wanted: Filter) -> int:
    return len(select(load(find_logs([root])), wanted))


def test_cameras_are_folders_and_rows_come_in_order(archive: Path) -> None:
    rows = select(load(find_logs([archive])), Filter(), ("camera", "onset_s"))
    assert [row[0] for row in rows] == ["door", "door", "hall/a", "hall/a", "hall/b"]
    assert rows == sorted(rows)  # type: ignore[type-var]


def test_a_single_run_is_called_by_its_folder(archive: Path) -> None:
    assert find_logs([archive / "door"])[0][0] == "door"


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (Filter(), 5),
        (Filter(camera="hall/*"), 3),
        (Filter(camera="hall/?", from_s=60), 1),
        (Filter(to_s=0.9), 1),
        (Filter(label="no such"), 0),
        (Filter(from_utc="2026-11-23"), 0),
        (Filter(to_utc="2026-11-23", min_probability=0.0), 5),
        (Filter(query="onset_s BETWEEN 1.9 AND 3.1 OR camera = 'hall/a'"), 4),
        (Filter(camera="door", query="1 OR 1"), 2),
    ],
)
def test_filters(archive: Path, wanted: Filter, number: int) -> None:
    assert count(archive, wanted) == number


@given(
    st.lists(st.tuples(st.integers(0, 90_000), st.sampled_from(LABELS)), max_size=12, unique=True),
    st.floats(0, 90),
    st.floats(0, 90),
)
def test_time_and_label_agree_with_plain_python(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, str]], low: float, high: float
) -> None:
    events = [event(onset, label=label) for onset, label in made]
    root = logs(tmp_path_factory.mktemp("table"), {"cam": events})
    for label in (None, LABELS[0]):
        wanted = [
            e
            for e in events
            if e.offset_ns / 1e9 > low and e.onset_ns / 1e9 < high and label in (None, e.label)
        ]
        assert count(root, Filter(label=label, from_s=low, to_s=high)) == len(wanted)


@pytest.mark.parametrize(
    "query",
    [
        "nonsense",
        "1; DROP TABLE events",
        "id IN (SELECT readfile('/etc/passwd'))",
        "1) UNION SELECT sql, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6 FROM sqlite_master WHERE (2",
        "load_extension('x')",
        "0) OR (1",
    ],
)
def test_a_query_that_is_no_condition_is_refused(archive: Path, query: str) -> None:
    with pytest.raises(ConfigError, match="--query"):
        count(archive, Filter(query=query))


def test_no_column_tells_who_or_where(archive: Path) -> None:
    assert not {"source", "path", "name", "person"} & set(COLUMNS)


def test_no_logs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no events\.jsonl"):
        find_logs([tmp_path])
