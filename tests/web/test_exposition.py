"""The metrics as Prometheus' own parser reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("prometheus_client", reason="the extra 'web' is not installed")


from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from stream_mer.web import metrics
from stream_mer.web.metrics import Buckets, CameraReading, Metrics, Reading

DOOR = CameraReading(
    'door "1"\\\n',
    up=True,
    captured=10,
    processed=6,
    dropped={"overload": 2, "loading": 1},
    in_flight=1,
    lost={"corrupt": 4},
    reconnects={"stall": 3},
    restarts=1,
    queue=2,
    last_frame_age_s=0.25,
    coverage=0.5,
    events=7,
    stages={"face": Buckets((0.1, 1.0), (3, 5, 6), 4.5)},
)
HALL = CameraReading("hall", up=False, captured=0, processed=0, dropped={}, in_flight=0)


def samples(reading: Reading, accept: str = "") -> dict[tuple[str, tuple[str, ...]], float]:
    body, kind = Metrics(lambda: reading).answer(accept)
    parse = open_metrics if "openmetrics" in kind else text_string_to_metric_families
    return {
        (sample.name.removeprefix("stream_mer_"), tuple(sample.labels.values())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_every_figure_is_there_and_read_back(accept: str) -> None:
    reading = Reading([DOOR, HALL], 2, "bicubic", 30, 90, {"webhook": {"waiting": 5}}, "1.2.3", 1)
    got = samples(reading, accept)
    name = DOOR.camera
    assert got["frames_captured_total", (name,)] == 10
    dropped = got["frames_dropped_total", (name, "overload")] + got["frames_dropped_total", (name, "loading")]
    assert got["frames_processed_total", (name,)] + dropped + got["frames_in_flight", (name,)] == 10
    assert got["frames_lost_total", (name, "corrupt")] == 4
    assert got["reconnects_total", (name, "stall")] == 3
    assert got["queue_depth", (name,)] == 2
    assert got["last_frame_age_seconds", (name,)] == 0.25
    assert ("last_frame_age_seconds", ("hall",)) not in got, "no frame, no age"
    assert got["up", (name,)] == 1
    assert got["up", ("hall",)] == 0
    assert got["overload_level", ()] == 2
    assert got["outbox_events", ("webhook", "waiting")] == 5
    assert got["sr_pictures_total", ()] == 90
    assert got["gpu_fallbacks_total", ()] == 1
    buckets = [v for (n, labels), v in got.items() if n == "stage_seconds_bucket" and labels[0] == name]
    assert buckets == [3, 5, 6]
    assert got["stage_seconds_count", (name, "face")] == 6
    assert got["stage_seconds_sum", (name, "face")] == 4.5


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=9), st.integers(0, 10**15), max_size=4))
def test_any_name_survives(name: str, dropped: dict[str, int]) -> None:
    reading = Reading([CameraReading(name, True, 0, 0, dropped, 0)])
    got = samples(reading)
    for cause, count in dropped.items():
        assert got["frames_dropped_total", (name, cause)] == count


def test_the_grafana_file_asks_for_figures_that_exist() -> None:
    path = Path(metrics.__file__).with_name("grafana.json")
    asked = set(re.findall(r"stream_mer_\w+", path.read_text()))
    body, _ = Metrics(lambda: Reading([DOOR], outbox={"webhook": {"waiting": 1}})).answer("")
    given = set(re.findall(r"^(stream_mer_\w+)", body.decode(), re.MULTILINE))
    assert asked <= given
    assert len(asked) >= 8
    json.loads(path.read_text())
