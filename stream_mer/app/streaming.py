"""``stream_mer.stream``: results frame by frame, for programs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from stream_mer.app.compose import DetectorFactory, build_plan
from stream_mer.app.networks import pick_networks
from stream_mer.app.sources import open_source
from stream_mer.config import Settings
from stream_mer.pipeline.channel import Channel, Closed, End
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.runtime.assets import AssetStore
from stream_mer.types import Result, RunSummary


class _Handover:
    """A sink that hands results to the caller's thread."""

    def __init__(self, channel: Channel[Result]) -> None:
        self._channel = channel

    def write(self, result: Result) -> None:
        self._channel.put(result)

    def close(self, summary: RunSummary | None) -> None:
        self._channel.end() if summary is not None else self._channel.abort()


def stream(source: str | Path | int, settings: Settings | None = None) -> Iterator[Result]:
    """Yield one ``Result`` per frame of a file, an address or a camera.

    Stop iterating (or close the generator) at any time; threads and devices are then released.

    Args:
        source: video file, ``rtsp://...`` address, or camera number.
        settings: see ``stream_mer.config.Settings``; defaults are the product's.

    Raises:
        StreamMerError: the source, an engine or a stage failed.
    """
    settings = settings or Settings()
    recipe = open_source(source)
    detectors = DetectorFactory(settings, AssetStore(settings.assets))
    detectors.fetch()
    channel: Channel[Result] = Channel(2)
    plan = build_plan(
        recipe.build,
        settings,
        pick_networks(settings),
        detectors,
        [SinkRecipe("caller", lambda _: _Handover(channel))],
        lossy=recipe.live,
        drain=recipe.drain,
    )
    run = ThreadedRun(plan)
    failure: list[BaseException] = []

    def body() -> None:
        try:
            run.run()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the thread border)
            failure.append(error)
            channel.abort()

    thread = threading.Thread(target=body, name="run", daemon=True)
    thread.start()
    try:
        while not isinstance(result := channel.get(), End):
            yield result
    except Closed:
        pass  # the run failed: its error follows
    finally:
        run.abort()  # whoever stopped reading wants nothing more; after the end it changes nothing
        channel.abort()
        thread.join()
    if failure and not isinstance(failure[0], KeyboardInterrupt):
        raise failure[0]
