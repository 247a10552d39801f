"""SVM on texture features and the paper's CNN: they learn what can be learnt, and never from the test."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")
torch = pytest.importorskip("torch")

from stream_mer.core.protocol import class_figures, honest_predictions  # noqa: E402
from stream_mer.core.splits import frame_random, leave_one_out  # noqa: E402
from stream_mer.training.clip_cnn import ClipCnn, CnnRun, clip_samples, cnn_folds  # noqa: E402
from stream_mer.training.svm import FEATURES, gram, grey, svm_folds  # noqa: E402

RNG = np.random.default_rng(11)
torch.set_num_threads(1)
PEOPLE, CLASSES = 5, 3


def moving_clip(label: int, rng: np.random.Generator, side: int = 40) -> np.ndarray:
    """A textured picture in which one of three regions moves up and back."""
    base = rng.integers(60, 200, (side // 4, side // 4))
    picture = np.kron(base, np.ones((4, 4))).astype(np.uint8)
    frames = []
    for t in range(12):
        frame = picture.copy()
        rows = slice(label * side // 3, (label + 1) * side // 3)
        frame[rows] = np.roll(frame[rows], round(3 * np.sin(np.pi * t / 11)), axis=0)
        frames.append(frame)
    return np.repeat(np.stack(frames)[..., None], 3, axis=3)


@pytest.fixture(scope="module")
def clips() -> tuple[list[np.ndarray], np.ndarray, list[int]]:
    labels = np.array([c for _ in range(PEOPLE) for c in range(CLASSES) for _ in range(2)], np.intp)
    subjects = [p for p in range(PEOPLE) for _ in range(CLASSES * 2)]
    return [moving_clip(int(label), RNG) for label in labels], labels, subjects


def test_grey_is_luma() -> None:
    clip = np.zeros((1, 1, 3, 3), np.uint8)
    clip[0, 0] = np.eye(3) * 255
    assert grey(clip)[0, 0].tolist() == [76, 150, 29]


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_svm_tells_moving_regions_apart_for_new_people(name: str, clips) -> None:
    pictures, labels, subjects = clips
    features = np.stack([FEATURES[name](grey(clip)) for clip in pictures])
    folds = svm_folds(gram(features), labels, subjects, leave_one_out(subjects))
    found = class_figures(labels, honest_predictions(folds, len(labels)), CLASSES)
    assert found.uf1 > 0.8


def test_svm_choice_does_not_look_at_the_test(clips) -> None:
    # Whatever the test's labels are, the inner scores and the predictions stay the same.
    pictures, labels, subjects = clips
    kernel = gram(np.stack([FEATURES["LBP-TOP"](grey(clip)) for clip in pictures]))
    split = leave_one_out(subjects)[0]
    changed = labels.copy()
    changed[list(split.test)] = (changed[list(split.test)] + 1) % CLASSES
    (one,), (two,) = (svm_folds(kernel, given, subjects, [split]) for given in (labels, changed))
    np.testing.assert_array_equal(one.predicted, two.predicted)
    np.testing.assert_array_equal(one.inner, two.inner)


def test_svm_with_one_class_only() -> None:
    kernel = gram(RNG.random((6, 8)).astype(np.float32))
    labels = np.array([1, 1, 1, 1, 0, 0], np.intp)
    fold = svm_folds(kernel, labels, [0, 0, 1, 1, 2, 2], leave_one_out([0, 0, 1, 1, 2, 2])[2:])[0]
    assert (fold.predicted == 1).all()


def cnn_data(clips) -> tuple[np.ndarray, np.ndarray, list[int]]:
    pictures, labels, subjects = clips
    frames = (4, 6, 8)
    samples = np.concatenate([clip_samples(clip, frames) for clip in pictures])
    return samples, np.repeat(labels, len(frames)), [s for s in subjects for _ in frames]


def test_cnn_learns_and_is_repeatable(clips) -> None:
    samples, labels, subjects = cnn_data(clips)
    splits = [frame_random(len(labels), 1)]
    run = CnnRun(epochs=8, batch=16)
    first, second = (cnn_folds(samples, labels, subjects, splits, CLASSES, run)[0] for _ in range(2))
    np.testing.assert_array_equal(first.predicted, second.predicted)
    best = first.predicted[int(np.argmax(first.inner))]
    assert (best == labels[list(first.test)]).mean() > 0.6


def test_cnn_does_not_look_at_the_test(clips) -> None:
    samples, labels, subjects = cnn_data(clips)
    split = leave_one_out(subjects)[1]
    run, test = CnnRun(epochs=2, batch=16), list(split.test)
    (first,) = cnn_folds(samples, labels, subjects, [split], CLASSES, run)
    # Labels by which the first epoch would be all right on the test, then all wrong: nobody may notice.
    for shift in (0, 1):
        changed = labels.copy()
        changed[test] = (first.predicted[0] + shift) % CLASSES
        (again,) = cnn_folds(samples, changed, subjects, [split], CLASSES, run)
        np.testing.assert_array_equal(again.predicted, first.predicted)
        np.testing.assert_array_equal(again.inner, first.inner)


@pytest.mark.parametrize(("side", "expected"), [(32, 32), (64, 64), (128, 64)])
def test_samples_and_network_for_every_view(side: int, expected: int) -> None:
    clip = np.repeat(RNG.integers(0, 256, (5, side, side, 1), dtype=np.uint8), 3, axis=3)
    clip[3] = clip[0]
    samples = clip_samples(clip, (1, 3))
    assert samples.shape == (2, 3, expected, expected)
    assert np.abs(samples[1, 2]).max() == 0, "a frame equal to the onset has no difference"
    net = ClipCnn(5, expected).eval()
    assert net(torch.from_numpy(samples)).shape == (2, 5)
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    hidden = [m for m in net.modules() if isinstance(m, torch.nn.Linear)]
    assert (len(convolutions), len(hidden)) == (3, 3)  # the last one gives the classes
