"""``stream-mer live``: camera, address, or a file played as if it were a camera."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stream_mer.app.compose import DetectorFactory, build_plan
from stream_mer.app.networks import pick_networks
from stream_mer.app.recorded import recording_sinks
from stream_mer.app.sources import open_source
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.console import ConsoleSink
from stream_mer.sinks.history import DrawSettings
from stream_mer.sinks.preview import PreviewSink

NOTICE = (
    "Notice: inferring emotions at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)); people\n"
    "watched elsewhere must be told (Art. 50(3)). A micro-expression is not a lie. Nothing is stored unless asked."
)


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The flags of ``live`` that are not settings of the pipeline."""

    source: str
    window: bool = True
    web: str | None = None
    token: str | None = None
    record: Path | None = None
    seconds: float | None = None


def live(options: LiveOptions, settings: Settings) -> int:
    """Watch until the source ends, q is pressed, Ctrl-C, or ``options.seconds`` have passed."""
