"""What every sink must do, whatever it writes to."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sink_samples import crop, event, result, score, summary, track

from stream_mer.errors import OutputError
from stream_mer.protocols import Sink
from stream_mer.sinks import courier, preview
from stream_mer.sinks.courier import Carrier, Courier, DeliverySink
from stream_mer.sinks.event_log import EventLog, read_events
from stream_mer.sinks.event_stream import EventLines, EventStream
from stream_mer.sinks.mqtt import Mqtt
from stream_mer.sinks.outbox import Outbox
from stream_mer.sinks.overlay import OverlaySink, Painter
from stream_mer.sinks.preview import PreviewWindow
from stream_mer.sinks.progress import ProgressSink
from stream_mer.sinks.rejected import RejectedLog
from stream_mer.sinks.reviews import ReviewLog
from stream_mer.sinks.segments import SegmentSink
from stream_mer.sinks.thumbnails import ThumbnailSink
from stream_mer.sinks.webhook import Webhook
from stream_mer.types import Result, SourceInfo
from stream_mer.web.live_state import LiveState
from stream_mer.web.sink import WebSink

INFO = SourceInfo("clip.mp4", "", 64, 48, 25.0, 10, 0.4, False)


def web(_: Path) -> Sink:
    painter = Painter()
    return WebSink(LiveState("camera"), painter.paint, remember=painter.remember)


def delivery(outbox: Path, carrier: Callable[[], Carrier]) -> Sink:
    """The sink of a courier whose destination is down: nobody listens on the discard port."""
    COURIERS.append(Courier(Outbox(outbox), carrier))
    return DeliverySink(COURIERS[-1], EventLines("camera", dict))


def stream(folder: Path) -> Sink:
    return EventStream(EventLines("camera", dict), os.open(folder / "stdout", os.O_WRONLY | os.O_CREAT))


COURIERS: list[Courier] = []
SINKS: dict[str, Callable[[Path], Sink]] = {
    "event log": lambda folder: EventLog(folder / "events.jsonl", {}, utc=None),
    "rejected": lambda folder: RejectedLog(folder / "rejected.jsonl"),
    "overlay": lambda folder: OverlaySink(folder / "overlay.mp4"),
    "preview": lambda folder: PreviewWindow(check_display=False, snapshots=folder),
    "progress": lambda _: ProgressSink(INFO, stream=io.StringIO()),
    "web": web,
    "webhook": lambda folder: delivery(
        folder / "webhook.sqlite", lambda: Webhook("http://127.0.0.1:9/", timeout_s=1)
    ),
    "mqtt": lambda folder: delivery(
        folder / "mqtt.sqlite", lambda: Mqtt("mqtt://127.0.0.1:9/events", timeout_s=1)
    ),
    "segments": lambda folder: SegmentSink(folder / "segments"),
    "thumbnails": lambda folder: ThumbnailSink(folder / "thumbnails"),
    "stream": stream,
    "reviews": lambda folder: ReviewLog(folder / "reviews.jsonl"),
}


@pytest.fixture(autouse=True)
def dismissed_couriers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Couriers outlive their sinks; here they end with the test, and wait for no destination."""
    monkeypatch.setattr(courier, "CLOSING_S", 0.5)
    yield
    while COURIERS:
        COURIERS.pop().close()


@pytest.fixture(params=SINKS)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Sink]:
    for name, answer in (("waitKey", -1), ("getWindowProperty", 1.0)):
        monkeypatch.setattr(preview.cv2, name, lambda *_, answer=answer: answer)
    for name in ("namedWindow", "resizeWindow", "imshow", "destroyWindow"):
        monkeypatch.setattr(preview.cv2, name, lambda *_: None)
    return SINKS[request.param]


def full(index: int) -> Result:
    face = track(x=20, y=10)
    return result(
        index,
        tracks=(face,),
        crops=(crop(face, index, index * 40_000_000),),
        scores=(score(40 * index, 0.4),),
        events=(event(40 * index),) if index % 4 == 0 else (),
    )


@pytest.mark.parametrize("ended", [True, False])
def test_results_in_order_then_close_as_often_as_one_likes(
    make: Callable[[Path], Sink], tmp_path: Path, ended: bool
) -> None:
    sink = make(tmp_path)
    for index in range(9):
        sink.write(full(index))
    for _ in range(3):
        sink.close(summary() if ended else None)


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_without_results_is_fine(make: Callable[[Path], Sink], tmp_path: Path, ended: bool) -> None:
    make(tmp_path).close(summary() if ended else None)


def test_write_after_close_is_an_output_error(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    sink = make(tmp_path)
    sink.write(full(0))
    sink.close(summary())
    with pytest.raises(OutputError, match="already closed"):
        sink.write(full(1))


def test_result_is_not_changed(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    sink, item = make(tmp_path), full(4)
    before = item.frame.rgb.copy(), item.crops[0].lr.copy()
    sink.write(item)
    sink.close(None)
    assert (item.frame.rgb == before[0]).all()
    assert (item.crops[0].lr == before[1]).all()


def test_nothing_to_see_and_broken_time_are_fine(make: Callable[[Path], Sink], tmp_path: Path) -> None:
    """No faces, another picture size, a new epoch whose clock starts again, events of the last one."""
    sink = make(tmp_path)
    sink.write(result(50))
    sink.write(result(51, size=(33, 47)))
    sink.write(result(0, epoch=1, events=(event(1900, epoch=0),), scores=(score(1900, 0.5, epoch=0),)))
    sink.write(Result(result(0, epoch=1).frame, (), events=(event(5, epoch=1),), repeated=True))
    sink.close(summary())


def test_files_hold_what_was_written(tmp_path: Path) -> None:
    for name, build in SINKS.items():
        if name == "preview":
            continue
        sink = build(tmp_path)
        for index in range(9):
            sink.write(full(index))
        sink.close(summary())
    assert [e.onset_ns for e in read_events(tmp_path / "events.jsonl")] == [0, 160_000_000, 320_000_000]
    assert [c.counts().waiting for c in COURIERS] == [3, 3]
    assert len(list((tmp_path / "segments").iterdir())) == 1
    assert len(list((tmp_path / "thumbnails").iterdir())) == 9
    files = sorted(p.name for p in tmp_path.iterdir() if p.is_file() and ".sqlite" not in p.name)
    assert files == ["events.jsonl", "overlay.mp4", "rejected.jsonl", "stdout"]
    assert len((tmp_path / "stdout").read_text().splitlines()) == 3
