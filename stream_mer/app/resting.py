"""What a resting face gives the classifier, of which nothing is taken off an event."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stream_mer.app.networks import Networks
from stream_mer.app.remembered import Answers
from stream_mer.app.trial import opened, results_of
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.baseline import EvidenceBaseline
from stream_mer.errors import ConfigError

_END_NS = 2**62
"""Later than any picture."""


def resting_log_odds(
    watched: Iterable[Watched], settings: Settings, networks: Networks, answers: Answers
) -> float:
    """What is usual of a face at rest, to a hundredth: the median over the faces of what is usual for each.

    Args:
        watched: videos of faces that do nothing, 1.6 s at least.
        settings: of the run.
        networks: with the calibration by which scores are read; its threshold and shares do not matter.
        answers: keeps what the classifier says.

    Raises:
        ConfigError: no face was there long enough.
    """
    found = []
    with opened(networks) as (up, classifier):
        for one in watched:
            baseline, faces = EvidenceBaseline(1.0, float("nan")), set()
            for result in results_of(one, settings, networks, (up, answers.of(classifier))):
                baseline.push(result.scores)
                faces |= {(score.track_id, score.epoch) for score in result.scores}
            found += [baseline.usual(*face, _END_NS) for face in faces]
    if not np.isfinite(found).any():
        raise ConfigError(
            "no face rested for 1.6 s: what a resting face gives cannot be measured.\n"
            "Give longer videos, or see whether the detector finds the faces."
        )
    return round(float(np.nanmedian(found)), 2)
