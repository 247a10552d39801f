"""The paper's measure of recognition: a linear support vector machine on texture features of a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.svm import LinearSVC

from stream_mer.core.lbp_top import lbp_top
from stream_mer.core.lpq_top import lpq_top

FEATURES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
    "LBP-TOP": lbp_top,
    "LPQ-TOP": lpq_top,
}
"""Name -> feature vector of a ``(T, H, W)`` uint8 clip."""
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Candidates for the SVM's C; the best is chosen on training people left out in turn."""
FOLDS = 4


def classify_by_texture(
    name: str,
    clips: Sequence[NDArray[np.uint8]],
    labels: NDArray[np.intp],
    people: Sequence[str],
    unseen: Sequence[NDArray[np.uint8]],
) -> NDArray[np.intp]:
    """Train on some people's clips, say the classes of other people's.

    Args:
        name: one of ``FEATURES``.
        clips: training clips of one shape.
        labels: ``(N,)`` their classes.
        people: whose they are; C is chosen across people.
        unseen: clips to be classified.
    """
    feature = FEATURES[name]
    table = _roots(feature, clips)
    groups = np.array(people)
    folds = GroupKFold(min(FOLDS, len(set(people))))

    def machine(c: float) -> LinearSVC:
        return LinearSVC(C=c, class_weight="balanced", random_state=0, max_iter=20_000)

    scores = [
        cross_val_score(machine(c), table, labels, groups=groups, cv=folds, scoring="f1_macro").mean()
        for c in STRENGTHS
    ]
    best = machine(STRENGTHS[int(np.argmax(scores))])
    said = best.fit(table, labels).predict(_roots(feature, unseen))
    return np.asarray(said, np.intp)


def _roots(
    feature: Callable[[NDArray[np.uint8]], NDArray[np.float32]], clips: Sequence[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Square roots of the histograms, whose scalar product is Hellinger's kernel, as in ``svm``.

    Bringing every bin to unit variance instead lets bins that hardly ever count say as much as any other.
    """
    return np.sqrt(np.stack([feature(clip) for clip in clips]))
