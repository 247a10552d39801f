"""What a segment's results depend on, and whether a run may go on with those of an earlier one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace

from stream_mer import __version__
from stream_mer.app.compose import threshold_of
from stream_mer.app.how import How
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.sinks.manifest import Manifest

NOT_JUDGING = frozenset({"overlay", "threads", "device", "backend", "engine", "far", "threshold"})
"""Settings that change nothing in what a segment gives, or are told by what they resolve to."""


def facts_of(settings: Settings, networks: Networks) -> dict[str, object]:
    """Everything besides the file that what a segment gives depends on."""
    judging = {key: value for key, value in settings.describe().items() if key not in NOT_JUDGING}
    backend, precision = networks.way
    second_look = networks.calibration.second_look
    return {
        **judging,
        "threshold": threshold_of(settings, networks),
        "reading": asdict(networks.calibration.reading),
        "usual_share": networks.calibration.usual_share,
        "resting": networks.calibration.resting,
        **({"second_look": asdict(second_look)} if second_look else {}),
        "engines": networks.digests(),
        "backend": backend,
        "precision": precision,
        "version": __version__,
    }


def key_of(facts: Mapping[str, object]) -> str:
    """Digest of the facts: the settings' part of a work item's identity."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def networks_of(settings: Settings, manifest: Manifest, how: How) -> Networks:
    """The networks; those of the run that is resumed if the same was asked for, whatever is faster today."""
    asked, threads = json.dumps(settings.describe(), sort_keys=True), how.threads(settings)
    if how.resume and manifest.about("asked") == asked:
        engine, backend, precision = json.loads(manifest.about("chosen") or "[]")
        return pick_networks(replace(settings, engine=engine), way=(backend, precision), threads=threads)
    return pick_networks(settings, threads=threads)


def agree(manifest: Manifest, facts: dict[str, object], settings: Settings, how: How) -> None:
    """Compare with what the folder holds, and note what this run is.

    Raises:
        ConfigError: going on would mix or throw away results, and the user did not say so.
    """
    facts = json.loads(json.dumps(facts))
    before = json.loads(manifest.about("facts") or "null")
    files, segments = manifest.unfinished()
    if how.resume and before is not None and before != facts:
        changes = [
            f"{key}: {before.get(key)} then, {facts.get(key)} now"
            for key in sorted(before.keys() | facts.keys())
            if before.get(key) != facts.get(key)
        ]
        raise ConfigError(
            f"the settings are not those of the run to resume ({'; '.join(changes)}).\n"
            "Give the same ones, or --restart to begin again, or another folder with --out."
        )
    if not how.resume and not how.restart and files and segments:
        raise ConfigError(
            f"an earlier run into this folder was interrupted: {files} inputs are not done, "
            f"{segments} segments of them are.\n"
            "Go on with --resume, or throw those away with --restart."
        )
    manifest.tell(
        {
            "facts": json.dumps(facts, sort_keys=True),
            "asked": json.dumps(settings.describe(), sort_keys=True),
            "chosen": json.dumps([_engine(facts), facts["backend"], facts["precision"]]),
        }
    )


def _engine(facts: Mapping[str, object]) -> str:
    engines = facts["engines"]
    assert isinstance(engines, dict)
    return str(next(iter(engines)))
