"""The super-resolution networks: names, sizes, and what they do before training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from stream_mer.errors import ConfigError
from stream_mer.training import sr_export, sr_network
from stream_mer.training.checkpoint import load_checkpoint
from stream_mer.training.compact import CompactNet, CompactSettings
from stream_mer.training.rrdb import RRDBNet, RRDBSettings

SMALL = RRDBSettings(8, 2, 4)

RELEASED = {
    "body.": "RRDB_trunk.",
    ".rdb": ".RDB",
    "conv_body.": "trunk_conv.",
    "conv_up1.": "upconv1.",
    "conv_up2.": "upconv2.",
    "conv_hr.": "HRconv.",
}
NUMBERED = {"conv_first": "0", "conv_up1": "3", "conv_up2": "6", "conv_hr": "8", "conv_last": "10"}
NUMBERED["conv_body"] = "1.sub.2"


def released(name: str) -> str:
    """As in ESRGAN's RRDB_ESRGAN_x4.pth."""
    for new, old in RELEASED.items():
        if name.startswith(new) or new == ".rdb":
            name = name.replace(new, old)
    return name


def numbered(name: str) -> str:
    """As in ESRGAN's RRDB_ESRGAN_x4_old_arch.pth, with two blocks."""
    parts = name.split(".")
    if parts[0] == "body":
        return f"model.1.sub.{parts[1]}.{parts[2].upper()}.{parts[3]}.0.{parts[4]}"
    return (
        f"model.1.sub.2.{parts[1]}" if parts[0] == "conv_body" else f"model.{NUMBERED[parts[0]]}.{parts[1]}"
    )


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


@pytest.mark.parametrize(
    ("naming", "under", "seen"),
    [
        (str, "params_ema", "body.1.rdb3.conv5.weight"),
        (str, "params", "conv_up2.bias"),
        (released, None, "RRDB_trunk.1.RDB3.conv5.weight"),
        (released, None, "HRconv.bias"),
        (numbered, None, "model.1.sub.1.RDB3.conv5.0.weight"),
        (numbered, None, "model.1.sub.2.bias"),
    ],
)
def test_published_weights_give_the_same_pictures(
    naming: Callable[[str], str], under: str | None, seen: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net, other = RRDBNet(SMALL).eval(), RRDBNet(SMALL).eval()
    renamed = {naming(n): w.half().float() for n, w in net.state_dict().items()}
    net.load_state_dict({n: w.half().float() for n, w in net.state_dict().items()})
    assert seen in renamed
    torch.save({under: renamed} if under else renamed, tmp_path / "public.pth")
    sr_network.put_weights(other, sr_network.load_weights(tmp_path / "public.pth"))
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(net(x), other(x))


def test_files_without_weights_and_weights_of_another_network_are_explained(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 and no more")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({}, tmp_path / "empty.pth")
    torch.save({"a": 1}, tmp_path / "numbers.pth")
    for name in ("text", "cut", "list", "empty", "numbers", "absent"):
        with pytest.raises(ConfigError, match="no weights to begin with"):
            sr_network.load_weights(tmp_path / f"{name}.pth")
        with pytest.raises(ConfigError, match="not a checkpoint"):
            load_checkpoint(tmp_path / f"{name}.pth")
    with pytest.raises(ConfigError, match=r"another network: body\.1"):
        sr_network.put_weights(RRDBNet(SMALL), RRDBNet(RRDBSettings(8, 1, 4)).state_dict())


@pytest.mark.parametrize("name", ["nonsense", "cuda:97"])
def test_a_device_that_is_not_there_is_explained(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        sr_network.open_device(name)


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
