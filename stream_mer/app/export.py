"""``stream-mer export``: a run's events in another format."""

from __future__ import annotations

from pathlib import Path

from stream_mer.errors import ConfigError
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.export import SUFFIXES, write_export


def export(run_dir: Path, to: str, out: Path | None) -> int:
    """Convert ``RUN_DIR/events.jsonl``; prints where the file is.

    Raises:
        ConfigError: the folder holds no event log.
    """
    log = run_dir / "events.jsonl"
    if not log.is_file():
        raise ConfigError(
            f"{run_dir} holds no events.jsonl.\nGive the folder that 'process' made for one input, "
            "the one with run.json in it."
        )
    target = out or run_dir / f"events{SUFFIXES[to]}"
    events = read_events(log)
    write_export(events, to, target)
    print(f"{len(events)} events -> {target}")
    return 0
