"""The super-resolution networks: names, sizes, and what they do before training."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from stream_mer.training import sr_export
from stream_mer.training.compact import CompactNet, CompactSettings
from stream_mer.training.rrdb import RRDBNet, RRDBSettings, from_older_names

SMALL = RRDBSettings(8, 2, 4)

OLDER = {
    "body.": "RRDB_trunk.",
    ".rdb": ".RDB",
    "conv_body.": "trunk_conv.",
    "conv_up1.": "upconv1.",
    "conv_up2.": "upconv2.",
    "conv_hr.": "HRconv.",
}


def older(name: str) -> str:
    for new, old in OLDER.items():
        if name.startswith(new) or new == ".rdb":
            name = name.replace(new, old)
    return name


def test_layer_names_and_shapes_are_those_of_the_published_network() -> None:
    with torch.device("meta"):  # no memory for the 16.7 M values
        net = RRDBNet(RRDBSettings())
    shapes = {n: tuple(w.shape) for n, w in net.state_dict().items()}
    assert sum(w.numel() for w in net.parameters()) == 16_697_987
    assert shapes["conv_first.weight"] == (64, 3, 3, 3)
    assert shapes["body.22.rdb3.conv5.weight"] == (64, 192, 3, 3)
    assert shapes["body.0.rdb1.conv2.bias"] == (32,)
    assert {n.split(".")[0] for n in shapes} == {
        *("conv_first", "body", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")
    }
    assert len(shapes) == 2 * (23 * 15 + 6)


def test_weights_under_the_older_names_give_the_same_pictures() -> None:
    torch.manual_seed(0)
    net, other = RRDBNet(SMALL).eval(), RRDBNet(SMALL).eval()
    renamed = {older(n): w for n, w in net.state_dict().items()}
    assert "RRDB_trunk.1.RDB3.conv5.weight" in renamed
    assert "HRconv.bias" in renamed
    other.load_state_dict(from_older_names(renamed))
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(net(x), other(x))


def test_dense_block_is_the_published_formula() -> None:
    torch.manual_seed(1)
    block = RRDBNet(SMALL).body[0].rdb1  # type: ignore[union-attr,index]
    x = torch.randn(1, 8, 6, 6)
    seen = [x]
    with torch.no_grad():
        for conv in (block.conv1, block.conv2, block.conv3, block.conv4):
            seen.append(functional.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        expected = x + 0.2 * block.conv5(torch.cat(seen, 1))
        torch.testing.assert_close(block(x.clone()), expected)


@pytest.mark.parametrize(
    "net",
    [RRDBNet(RRDBSettings(8, 1, 4, 4, True)), CompactNet(CompactSettings(8, 2))],
    ids=["rrdb", "compact"],
)
@pytest.mark.parametrize(("h", "w"), [(32, 32), (7, 12)])
def test_enlarges_four_times_and_starts_near_plain_enlargement(net: torch.nn.Module, h: int, w: int) -> None:
    x = torch.rand(2, 3, h, w)
    with torch.no_grad():
        y = net(x)
    plain = functional.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
    assert y.shape == (2, 3, 4 * h, 4 * w)
    assert (y - plain).abs().mean() < 0.1


def test_every_weight_learns() -> None:
    net = RRDBNet(RRDBSettings(8, 1, 4, 4, True))
    with torch.no_grad():
        net.conv_last.weight.normal_()
    net(torch.rand(1, 3, 8, 8)).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())


def test_gflop_counts_multiply_and_add() -> None:
    net = CompactNet(CompactSettings(8, 1))
    by_hand = 2 * 9 * 32 * 32 * (3 * 8 + 8 * 8 + 8 * 48) / 1e9
    assert sr_export.gflop(net) == pytest.approx(by_hand)
    assert sr_export.gflop(RRDBNet(RRDBSettings(48, 3, 16, 16, True))) <= 2.5
    assert sr_export.gflop(CompactNet(CompactSettings())) <= 0.3
