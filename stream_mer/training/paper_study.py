"""The paper's comparison on any face clips: quality of super-resolution, recognition from every view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.degradation import paper
from stream_mer.core.protocol import (
    ClassFigures,
    Estimate,
    Fold,
    bootstrap,
    class_figures,
    honest_predictions,
    leaked_predictions,
)
from stream_mer.core.splits import Split, frame_random, leave_one_out, subject_disjoint
from stream_mer.errors import SourceError
from stream_mer.training.clip_cnn import CnnRun, clip_samples, cnn_folds
from stream_mer.training.sr_evaluate import BASELINES, quality
from stream_mer.training.svm import FEATURES, gram, grey, svm_folds
from stream_mer.types import ImageU8

VIEWS = ("HR", "SR", "bicubic", "LR")
"""What classifiers see: the face at 128x128; degraded and brought back; degraded and enlarged; degraded."""
MEDIAN_SHARE = 0.5
"""Share of the clips that are median-blurred, too; the paper says "randomly chosen" and no number."""
CNN = "CNN"
Upscale: TypeAlias = Callable[[ImageU8], ImageU8]
Labels: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FaceClip:
    """One labelled clip of canonical faces, ``(T, 128, 128, 3)`` uint8, onset first."""

    subject: str
    label: str
    faces: ImageU8
    dataset: str = ""


def distinct(clip: ImageU8) -> list[int]:
    """Positions of the frames that do not repeat the one before, as frames of short clips do.

    Dealt at random, a frame and its copy would lie in training and test: more than even the paper's leak.
    """
    return [0, *(k for k in range(1, len(clip)) if not np.array_equal(clip[k], clip[k - 1]))]


@dataclass(frozen=True, slots=True)
class Views:
    """Every clip in every view: name -> one ``(T, S, S, 3)`` array a clip."""

    of: Mapping[str, list[ImageU8]]


def require_people(clips: Sequence[FaceClip], least: int) -> None:
    """Raise ``SourceError`` unless the clips are of so many people, and of two classes or more."""
    people, labels = {(clip.dataset, clip.subject) for clip in clips}, {clip.label for clip in clips}
    if len(people) < least or len(labels) < 2:
        raise SourceError(
            f"{len(clips)} clips of {len(people)} people, labelled {', '.join(sorted(labels))}\n"
            f"{least} people and 2 classes are needed at least; examine the dataset: evaluate.py doctor"
        )


def make_views(clips: Sequence[FaceClip], upscale: Upscale, seed: int = 0) -> Views:
    """Degrade every clip as the paper does and bring it back by ``upscale`` and by bicubic interpolation."""
    blurred = np.random.default_rng(seed).random(len(clips)) < MEDIAN_SHARE
    low = [
        np.stack([paper(face, median=bool(median)) for face in clip.faces])
        for clip, median in zip(clips, blurred, strict=True)
    ]
    return Views(
        {
            "HR": [clip.faces for clip in clips],
            "SR": [upscale(lr) for lr in low],
            "bicubic": [BASELINES["bicubic"](lr) for lr in low],
            "LR": low,
        }
    )


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """Means over the test pictures of one split."""

    method: str
    split: str
    pictures: int
    psnr: float
    ssim: float
    mse: float
    by_clip: tuple[float, ...]
    """Mean PSNR of each clip that has test pictures, dB."""


def picture_quality(clips: Sequence[FaceClip], views: Views, splits: Sequence[Split]) -> list[PictureQuality]:
    """PSNR, SSIM and MSE against HR for SR and bicubic, on the test frames of each split.

    Args:
        splits: of all frames, clip after clip.
    """
    owner = np.repeat(np.arange(len(clips)), [len(clip.faces) for clip in clips])
    truth = [face for clip in clips for face in clip.faces]
    rows = []
    for method in ("SR", "bicubic"):
        ours = [face for clip in views.of[method] for face in clip]
        every = np.array([quality(t, o) for t, o in zip(truth, ours, strict=True)])
        for split in splits:
            test = np.array(split.test)
            psnr, ssim, mse = (float(m) for m in every[test].mean(0))
            by_clip = tuple(float(every[test[owner[test] == c], 0].mean()) for c in np.unique(owner[test]))
            rows.append(PictureQuality(method, split.name, len(test), psnr, ssim, mse, by_clip))
    return rows


def frame_splits(clips: Sequence[FaceClip], seed: int = 0) -> list[Split]:
    """The paper's 70/20/10 of frames as printed, and with every person on one side only."""
    starts = np.cumsum([0, *(len(clip.faces) for clip in clips)])
    at = [int(start) + k for start, clip in zip(starts, clips, strict=False) for k in distinct(clip.faces)]
    people = [clip.subject for clip in clips for _ in distinct(clip.faces)]

    def of_frames(part: Sequence[int]) -> tuple[int, ...]:
        return tuple(at[i] for i in part)

    return [
        Split(s.name, of_frames(s.train), of_frames(s.test), of_frames(s.validation))
        for s in (frame_random(len(people), seed), subject_disjoint(people, seed))
    ]


@dataclass(frozen=True, slots=True)
class Recognition:
    """One method on one view under leave-one-subject-out.

    ``unseen``: the honest figures of the people alone whom a super-resolver trained here never saw; None
    where none was.
    """

    method: str
    view: str
    honest: ClassFigures
    uf1: Estimate
    leaked: ClassFigures
    unseen: ClassFigures | None = None


@dataclass(frozen=True, slots=True)
class Dealt:
    """One method on one view under the paper's 70/20/10, by frames (CNN) or by clips (SVM)."""

    method: str
    view: str
    random: float
    disjoint: float


def recognise(
    clips: Sequence[FaceClip],
    views: Views,
    methods: Sequence[str],
    run: CnnRun,
    say: Callable[[str], None],
    trained_on: Collection[str] = (),
) -> tuple[list[Recognition], list[Dealt]]:
    """Every method on every view: leave-one-subject-out, and accuracy under both kinds of 70/20/10.

    Args:
        methods: some of ``FEATURES`` and ``CNN``.
        run: how the network is trained.
        say: told what is being done.
        trained_on: the subjects whose pictures the super-resolver was trained on.
    """
    names = sorted({clip.label for clip in clips})
    labels = np.array([names.index(clip.label) for clip in clips], np.intp)
    subjects = [clip.subject for clip in clips]
    table, dealt = [], []
    for method in methods:
        for view in VIEWS:
            say(f"recognition: {method} on {view}")
            if method == CNN:
                folds, parts = _cnn(views.of[view], labels, subjects, len(names), run)
            else:
                folds, parts = _svm(method, views.of[view], labels, subjects, run.seed)
            table.append(_judged(method, view, folds, labels, subjects, len(names), trained_on))
            dealt.append(Dealt(method, view, *(parts[name] for name in ("frame-random", "subject-disjoint"))))
    return table, dealt


def svm_table(
    views: Views, labels: Sequence[int], subjects: Sequence[str], trained_on: Collection[str] = ()
) -> list[Recognition]:
    """Only leave-one-subject-out, only the SVMs, with labels given (the composite of MEGC 2019)."""
    classes, known = max(labels) + 1, np.array(labels, np.intp)
    rows = []
    for method in FEATURES:
        for view in VIEWS:
            kernel = gram(np.stack([FEATURES[method](grey(clip)) for clip in views.of[view]]))
            folds = svm_folds(kernel, known, subjects, leave_one_out(subjects))
            rows.append(_judged(method, view, folds, known, subjects, classes, trained_on))
    return rows


def _judged(
    method: str,
    view: str,
    folds: Sequence[Fold],
    labels: Labels,
    subjects: Sequence[str],
    classes: int,
    trained_on: Collection[str],
) -> Recognition:
    honest, leaked = honest_predictions(folds, len(labels)), leaked_predictions(folds, labels)
    apart = np.array([i for i, who in enumerate(subjects) if who not in trained_on], np.intp)
    interval = bootstrap(lambda i: class_figures(labels[i], honest[i], classes).uf1, subjects)
    return Recognition(
        method,
        view,
        class_figures(labels, honest, classes),
        interval,
        class_figures(labels, leaked, classes),
        class_figures(labels[apart], honest[apart], classes) if trained_on else None,
    )


def _accuracy(fold: Fold, labels: Labels) -> float:
    return float((fold.predicted[int(np.argmax(fold.inner))] == labels[list(fold.test)]).mean())


def _svm(
    method: str, clips: list[ImageU8], labels: Labels, subjects: list[str], seed: int
) -> tuple[list[Fold], dict[str, float]]:
    kernel = gram(np.stack([FEATURES[method](grey(clip)) for clip in clips]))
    folds = svm_folds(kernel, labels, subjects, leave_one_out(subjects))
    splits = [frame_random(len(clips), seed), subject_disjoint(subjects, seed)]
    parts = {s.name: _accuracy(svm_folds(kernel, labels, subjects, [s])[0], labels) for s in splits}
    return folds, parts


def _cnn(
    clips: list[ImageU8], labels: Labels, subjects: list[str], classes: int, run: CnnRun
) -> tuple[list[Fold], dict[str, float]]:
    """Frames are the samples; a clip is what most of its frames are."""
    count = len(clips[0])
    middle = range(count // 4, 3 * count // 4 + 1)
    frames = [[k for k in distinct(clip) if k in middle] or [count // 2] for clip in clips]
    samples = np.concatenate([clip_samples(clip, own) for clip, own in zip(clips, frames, strict=True)])
    owner = np.repeat(np.arange(len(clips)), [len(own) for own in frames])
    each, people = labels[owner], [subjects[c] for c in owner]
    folds = [
        _by_clip(fold, owner, classes)
        for fold in cnn_folds(samples, each, people, leave_one_out(people), classes, run)
    ]
    splits = [frame_random(len(each), run.seed), subject_disjoint(people, run.seed)]
    parts = {s.name: _accuracy(cnn_folds(samples, each, people, [s], classes, run)[0], each) for s in splits}
    return folds, parts


def _by_clip(fold: Fold, owner: Labels, classes: int) -> Fold:
    of = owner[list(fold.test)]
    clips = np.unique(of)
    votes = np.stack(
        [(fold.predicted[:, :, None] == np.arange(classes))[:, of == c].sum(1) for c in clips], 1
    )
    return Fold(tuple(int(c) for c in clips), votes.argmax(2), fold.inner)
