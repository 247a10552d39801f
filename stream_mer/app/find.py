"""``stream-mer events``: which events there are."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from math import isfinite
from pathlib import Path

from rich.table import Table
from rich.text import Text

from stream_mer.app.console import console, counted, shown
from stream_mer.errors import ConfigError
from stream_mer.sinks.event_table import COLUMNS, Filter, find_logs, load, select

SHOWN = ("camera", "id", "track", "onset_s", "duration_s", "utc", "label", "probability", "face_px")


def events(roots: Sequence[Path], wanted: Filter, form: str) -> int:
    """Print the events wanted as a table, CSV or JSON lines.

    Raises:
        ConfigError: no logs, a damaged one, or a query that cannot be answered.
    """
    table = load(find_logs(roots))
    columns = SHOWN if form == "table" else COLUMNS
    rows = select(table, wanted, columns)
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
    elif form == "json":
        for row in rows:
            print(json.dumps(dict(zip(columns, row, strict=True))))
    else:
        shown = Table(*columns)
        for row in rows:
            shown.add_row(*(_cell(value) for value in row))
        console().print(shown)
        print(counted(len(rows), "event"))
    return 0


def seconds(text: str) -> float:
    """``90``, ``1:30`` or ``0:01:30.5`` as seconds.

    Raises:
        ConfigError: it is none of these.

    >>> seconds("1:02:03.5")
    3723.5
    """
    total = 0.0
    parts = text.split(":")
    try:
        for part in parts:
            total = 60 * total + float(part)
        if not isfinite(total) or (len(parts) > 1 and "-" in text):
            raise ValueError(text)
    except ValueError:
        raise ConfigError(
            f"{text} is no time of a recording.\nGive seconds, MM:SS or HH:MM:SS, or an ISO date."
        ) from None
    return total


def moment(text: str | None) -> tuple[float | None, str | None]:
    """A word of ``--from`` or ``--to``: seconds of a recording, or a date for live runs.

    >>> moment("1:00"), moment("2026-11-22T08:00")
    ((60.0, None), (None, '2026-11-22T08:00:00+00:00'))
    """
    if text is None:
        return None, None
    if "-" not in text[1:]:
        return seconds(text), None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return seconds(text), None
    when = when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
    return None, when.isoformat()


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    return Text(f"{value:.3f}" if isinstance(value, float) else shown(value))
