"""The classifier learns from flow alone, exports to one graph, and says the same everywhere."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from stream_mer.errors import ConfigError  # noqa: E402
from stream_mer.training import clf_train  # noqa: E402
from stream_mer.training.clf_data import NONE  # noqa: E402
from stream_mer.training.clf_draw import Drawer, augment, summed  # noqa: E402
from stream_mer.training.clf_export import write_onnx  # noqa: E402
from stream_mer.training.clf_judge import calibrate, event_logit, judge  # noqa: E402
from stream_mer.training.clf_net import (  # noqa: E402
    FEATURES,
    Classifier,
    Committee,
    EventNet,
    FlowFeatures,
    parameters,
)
from stream_mer.training.clf_train import (  # noqa: E402
    ClassifierSettings,
    extents_of,
    load_net,
    scores_of,
    train,
)

COUNT = 400


def raw_flow(rng: np.random.Generator, target: int) -> np.ndarray:
    """Raw flow of a window: noise, plus an up and down motion at a place that depends on the class."""
    raw = rng.normal(0, 0.03, (11, 32, 32)).astype(np.float32)
    raw[6:9], raw[9:] = 0.02, 0.7
    if target != NONE:
        row, column = 5 + 5 * target, 16
        raw[3:5, row - 2 : row + 3, column - 2 : column + 3] -= 0.8  # pre->apex and post->apex, v
    elif rng.random() < 0.5:
        raw[3, 6:10, 6:26] -= 0.8  # moved and stayed: pre->apex and pre->post
        raw[5, 6:10, 6:26] -= 0.8
    return raw


@pytest.fixture(scope="module")
def table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    target = np.array([i // 2 % 5 if i % 2 else NONE for i in range(COUNT)])
    part = np.array(["train" if i < 0.75 * COUNT else "choose" for i in range(COUNT)])
    kind = np.array(
        ["positive" if t != NONE else ("blink" if i % 4 else "rest") for i, t in enumerate(target)]
    )
    raw = np.stack([raw_flow(rng, int(t)) for t in target]).astype(np.float16)
    event = target != NONE
    late = np.where(event, rng.integers(-20, 20, COUNT), 0) * 1_000_000
    return {
        "raw": raw,
        "target": target,
        "part": part,
        "kind": kind,
        "real": np.arange(COUNT) % 3 == 0,
        "person": np.array(["seldom" if i % 10 == 0 else "often" for i in range(COUNT)]),
        "centre_ns": np.full(COUNT, 500_000_000),
        "duration_ns": np.full(COUNT, 100_000_000),
        "onset_ns": np.where(event, 450_000_000 + late, 0),
        "apex_ns": np.where(event, 500_000_000 + late, 0),
        "offset_ns": np.where(event, 550_000_000 + late, 0),
    }


def test_size_is_the_papers() -> None:
    net = EventNet()
    assert 100_000 <= parameters(net) <= 320_000
    assert parameters(Classifier(net)) == parameters(net)  # the flow adds nothing to learn
    kinds = [type(m).__name__ for m in net.children()]
    assert kinds.count("Conv2d") == 3
    assert kinds.count("Linear") == 4  # two hidden layers and the two outputs


def test_training_learns_resumes_and_logs(table: dict[str, np.ndarray], tmp_path: Path) -> None:
    settings = ClassifierSettings(epochs=12, batch=64, negatives_per_positive=1.0, memory=0.9)
    file = train(table, settings, tmp_path)
    net, columns = load_net(file)
    held = table["part"] == "choose"
    logits = scores_of(net, table["raw"][held], columns)
    found = judge(logits, table["target"][held])
    assert found.auc > 0.9
    assert found.uf1 > 0.5
    with (tmp_path / "log.csv").open() as stream:
        assert [int(r["epoch"]) for r in csv.DictReader(stream)] == list(range(12))
    before = file.stat().st_mtime_ns
    assert train(table, settings, tmp_path) == file  # finished: nothing is trained again
    assert file.stat().st_mtime_ns == before


def test_resumed_training_equals_uninterrupted(table: dict[str, np.ndarray], tmp_path: Path) -> None:
    settings = ClassifierSettings(epochs=2, batch=32, negatives_per_positive=1.0)
    few = np.r_[0:100, 300:330]
    table = {name: column[few] for name, column in table.items()}
    train(table, settings, tmp_path / "whole")
    train(table, settings, tmp_path / "parts", stop_after=1)
    train(table, settings, tmp_path / "parts")
    whole, parts = (
        torch.load(tmp_path / n / "last.pt", weights_only=True)["net"] for n in ("whole", "parts")
    )
    for name, weight in whole.items():
        assert torch.allclose(weight, parts[name], atol=1e-4), name


def test_drawing_is_balanced(table: dict[str, np.ndarray]) -> None:
    drawer = Drawer(table, ClassifierSettings(batch=80).mix)
    rows, added = (
        np.concatenate(column) for column in zip(*drawer.epoch(np.random.default_rng(0)), strict=True)
    )
    assert (added == -1).all()
    assert (table["part"][rows] == "train").all()
    drawn = np.bincount(table["target"][rows], minlength=6)
    assert drawn[NONE] == pytest.approx(3 * drawn[:NONE].sum(), rel=0.02)
    assert drawn[:NONE].min() > 0.6 * drawn[:NONE].max()
    event, real = table["target"][rows] != NONE, table["real"][rows]
    assert real[event].mean() == pytest.approx(0.5, abs=0.02)  # looking real speaks neither for an event
    assert real[~event].mean() == pytest.approx(0.5, abs=0.02)  # nor against one
    there = (table["part"] == "train") & table["real"] & (table["target"] == NONE)
    seldom = (table["person"] == "seldom")[there].mean()
    drawn_seldom = (table["person"][rows] == "seldom")[real & ~event].mean()
    assert seldom < 0.25 < drawn_seldom  # nobody drowns because he is seen less


def test_half_of_what_is_real_are_sums_with_clips(table: dict[str, np.ndarray]) -> None:
    drawer = Drawer(table, ClassifierSettings(batch=80, summed=0.5).mix)
    rows, added = (
        np.concatenate(column) for column in zip(*drawer.epoch(np.random.default_rng(0)), strict=True)
    )
    event, both = table["target"][rows] != NONE, added >= 0
    real, real_too = table["real"][rows], table["real"][added] & both
    assert (table["target"][added[both]] == NONE).all()  # the label is that of the window added to
    assert (table["part"][added[both]] == "train").all()
    assert (table["kind"][rows[both & real]] == "rest").all()  # quiet: no hand, nothing near an event
    assert (table["kind"][added[both & real_too]] == "rest").all()
    assert not (real & real_too).any()
    assert (real ^ real_too)[both].all()  # one of each
    assert real_too[event].mean() == pytest.approx(0.25, abs=0.03)
    assert (both & real)[~event].mean() == pytest.approx(0.25, abs=0.03)
    assert (real | real_too)[event].mean() == pytest.approx((real | real_too)[~event].mean(), abs=0.03)


def test_without_real_events_no_sum_speaks_against_one(table: dict[str, np.ndarray]) -> None:
    table = table | {"real": table["real"] & (table["target"] == NONE)}
    drawer = Drawer(table, ClassifierSettings(batch=80, summed=0.5).mix)
    assert all((added == -1).all() for _, added in drawer.epoch(np.random.default_rng(0)))


def test_sums_are_what_is_learnt_from(
    table: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def recorded(
        raw: torch.Tensor, extent: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, ...]:
        seen.append(float((raw == 7).all((1, 2, 3)).float().mean()))
        return augment(raw, extent, generator)

    monkeypatch.setattr(clf_train, "summed", lambda one, _: torch.full_like(one, 7.0))
    monkeypatch.setattr(clf_train, "augment", recorded)
    few = {name: column[np.r_[0:100, 300:330]] for name, column in table.items()}
    for share in (0.0, 0.5):
        train(few, ClassifierSettings(epochs=1, batch=32, summed=share), tmp_path / str(share))
        assert np.mean(seen) == pytest.approx(share / 2, abs=0.03)  # half of what is drawn is real
        seen.clear()
    with pytest.raises(ConfigError, match="no share"):
        ClassifierSettings(summed=1.5)


def test_a_sum_moves_by_both_and_is_trusted_where_both_are() -> None:
    one, other = torch.rand(2, 11, 32, 32), torch.rand(2, 11, 32, 32)
    both = summed(one, other)
    torch.testing.assert_close(both[:, :6], one[:, :6] + other[:, :6])
    torch.testing.assert_close(both[:, 6:9] ** 2, one[:, 6:9] ** 2 + other[:, 6:9] ** 2)
    torch.testing.assert_close(both[:, 9:], torch.minimum(one, other)[:, 9:])
    still = torch.cat([torch.zeros(2, 9, 32, 32), torch.ones(2, 2, 32, 32)], 1)
    torch.testing.assert_close(summed(one, still), one)


def test_augmentation_keeps_the_sense_of_signs() -> None:
    raw = torch.zeros(400, 11, 32, 32)
    raw[:, 0], raw[:, 1], raw[:, 2] = 1.0, 0.5, 0.5  # u: pre->apex, post->apex, pre->post = first - second
    raw[:, 3], raw[:, 4], raw[:, 5] = -2.0, -1.0, -1.0
    raw[:, 6:9] = torch.arange(3.0).view(3, 1, 1)
    raw[:, 9], raw[:, 10] = 0.9, 1.0
    extent = torch.tensor([[-0.3, 0.1, 0.2]]).repeat(400, 1)
    generator = torch.Generator().manual_seed(0)
    varied, moved = augment(raw, extent, generator)
    out = varied.mean((2, 3))
    for first in (0, 3):
        closes = out[:, first] - out[:, first + 1] - out[:, first + 2]
        assert closes.abs().max() < 0.06
    assert (out[:, 3] < 0).all()  # up stays up
    assert 0.3 < float((out[:, 0] < 0).float().mean()) < 0.7  # left and right are exchanged
    turned = out[:, 0].abs() < out[:, 1].abs()
    assert 0.3 < float(turned.float().mean()) < 0.7  # and before and after
    assert torch.equal(out[:, 9] > out[:, 10], turned)
    assert torch.allclose(out[turned][:, 6:9], torch.tensor([1.0, 0.0, 2.0]), atol=1e-4)
    assert torch.allclose(moved[turned], torch.tensor([-0.2, -0.1, 0.3]))
    assert torch.equal(moved[~turned], extent[~turned])


def test_augmentation_mirrors_the_picture_and_leaves_the_table_alone() -> None:
    raw = torch.zeros(400, 11, 32, 32)
    raw[:, 6:9] = torch.arange(32.0)
    raw[:, 9:] = 1.0
    before = raw.clone()
    varied, _ = augment(raw, torch.zeros(400, 3), torch.Generator().manual_seed(0))
    assert torch.equal(raw, before)
    rises = varied[:, 6:9, :, 31] > varied[:, 6:9, :, 0]
    assert torch.equal(rises.all((1, 2)), rises.any((1, 2)))
    assert 0.4 < float(rises.float().mean()) < 0.6


@pytest.mark.parametrize(("confidence", "doubt"), [(1.0, 0.3), (0.0, 1.3)])
def test_augmentation_adds_smooth_noise_where_the_flow_is_in_doubt(confidence: float, doubt: float) -> None:
    raw = torch.zeros(800, 11, 32, 32)
    raw[:, 9:] = confidence
    varied, _ = augment(raw, torch.zeros(800, 3), torch.Generator().manual_seed(0))
    assert not varied[:, 6:9].any()
    noise = varied[:, :6, 2:30, 2:30]
    # Twice the mean of 3x3 unit normals, by 0.06 times the square of an even chance.
    expected = 2.0 / 3.0 * 0.06 / 5.0**0.5 * doubt
    assert float(noise.square().mean().sqrt()) == pytest.approx(expected, rel=0.1)
    power = noise.square().mean()
    for one, other, shared in (
        (noise[..., 1:], noise[..., :-1], 2 / 3),
        (noise[..., 1:, :], noise[..., :-1, :], 2 / 3),
        (noise[..., 3:], noise[..., :-3], 0.0),
        (noise[..., 3:, :], noise[..., :-3, :], 0.0),
    ):
        assert float((one * other).mean() / power) == pytest.approx(shared, abs=0.03)


def test_extents_are_relative_to_the_window() -> None:
    table = {
        "centre_ns": np.array([500, 500]) * 10**6,
        "duration_ns": np.array([100, 100]) * 10**6,
        "onset_ns": np.array([470, 0]) * 10**6,
        "apex_ns": np.array([500, 0]) * 10**6,
        "offset_ns": np.array([540, 0]) * 10**6,
        "target": np.array([2, NONE]),
    }
    np.testing.assert_allclose(extents_of(table), [[0.2, 0.0, -0.1], [0, 0, 0]], atol=1e-6)


def test_a_committee_says_the_mean_of_its_members() -> None:
    members = [EventNet().eval() for _ in range(3)]
    features = torch.randn(2, len(FEATURES), 32, 32)
    with torch.inference_mode():
        logits, extent = Committee(members)(features)
        said = [member(features) for member in members]
    assert not torch.allclose(said[0][0], said[1][0], atol=1e-3)
    torch.testing.assert_close(logits, sum(s[0] for s in said) / 3)
    torch.testing.assert_close(extent, sum(s[1] for s in said) / 3)


def test_features_drop_head_motion() -> None:
    axis = (torch.arange(32) * 2 + 1) / 32 - 1
    raw = torch.zeros(1, 11, 32, 32)
    raw[:, :3] = 0.5 + 0.2 * axis
    raw[:, 3:6] = -0.3 + 0.1 * axis[:, None]
    raw[:, 9:] = 1.0
    features = FlowFeatures()(raw)
    assert features.shape == (1, len(FEATURES), 32, 32)
    assert features[:, :6].abs().max() < 0.01
    assert features[:, -3:].mean() > 0.3


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_exported_graph_says_the_same(backend: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    torch.manual_seed(1)
    columns = torch.arange(len(FEATURES) - 3)
    committee = Committee([EventNet(len(columns)), EventNet(len(columns))])
    classifier = Classifier(committee, columns, none_shift=1.5).eval()
    write_onnx(classifier, tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    low = rng.integers(0, 255, (5, 3, 16, 16, 3)).repeat(8, 2).repeat(8, 3)
    pictures = np.clip(low + rng.normal(0, 3, low.shape), 0, 255).astype(np.uint8)
    with torch.inference_mode():
        expected = [out.numpy() for out in classifier(torch.from_numpy(pictures))]
    if backend == "openvino":
        ov = pytest.importorskip("openvino")
        model = ov.Core().compile_model(str(tmp_path / "m.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        got = {n: list(model(pictures[:n]).values()) for n in (1, 5)}
    else:
        ort = pytest.importorskip("onnxruntime")
        session = ort.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
        got = {n: session.run(None, {"pictures": pictures[:n]}) for n in (1, 5)}
    for n, (logits, extent) in got.items():
        assert logits.shape == (n, 6)
        assert extent.shape == (n, 3)
        np.testing.assert_allclose(logits, expected[0][:n], atol=2e-3)
        np.testing.assert_allclose(extent, expected[1][:n], atol=2e-3)


def test_left_and_right_are_judged_alike() -> None:
    torch.manual_seed(2)
    classifier = Classifier(EventNet()).eval()
    rng = np.random.default_rng(1)
    low = rng.integers(0, 255, (3, 3, 16, 16, 3)).repeat(8, 2).repeat(8, 3)
    pictures = np.clip(low + rng.normal(0, 3, low.shape), 0, 255).astype(np.uint8)
    mirrored = np.ascontiguousarray(pictures[:, :, :, ::-1])
    with torch.inference_mode():
        one, other = (classifier(torch.from_numpy(p)) for p in (pictures, mirrored))
        alone = classifier.judge.net(classifier.features(classifier.flow(torch.from_numpy(pictures))))
    for a, b, c in zip(one, other, alone, strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)
        assert (a - c).abs().max() > 1e-3  # the mirror has its say


def test_wider_networks_are_saved_and_read_with_their_widths(
    table: dict[str, np.ndarray], tmp_path: Path
) -> None:
    settings = ClassifierSettings(epochs=1, batch=64, widths=[8, 12, 16])  # type: ignore[arg-type]
    net, _ = load_net(train(table, settings, tmp_path))
    assert [c.out_channels for c in (net.conv1, net.conv2, net.conv3)] == [8, 12, 16]


def test_calibration_undoes_a_wrong_temperature_and_share() -> None:
    rng = np.random.default_rng(0)
    target = rng.permutation(np.repeat([0, 1, 2, 3, 4, NONE], [200, 200, 200, 200, 200, 1000]))
    logits = np.eye(6)[target] * 2 + rng.normal(0, 1, (2000, 6))
    temperature, shift = calibrate(logits, target, negatives_per_positive=1.0)
    hotter, _ = calibrate(2 * logits, target, negatives_per_positive=1.0)
    assert hotter == pytest.approx(2 * temperature, rel=0.15)
    _, rare = calibrate(logits, target, negatives_per_positive=10.0)
    assert rare > shift + 0.5
    odds = (logits + np.eye(6)[NONE] * shift) / temperature
    p = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    assert p[:, :NONE].sum() == pytest.approx(1000, rel=0.1)  # as many events announced as there are


def test_event_odds() -> None:
    assert event_logit(np.zeros((1, 6), np.float32))[0] == pytest.approx(np.log(5))
