"""The micro-expression classifier: fixed optical flow, then a small convolutional network that learns.

Three convolutions with pooling and two hidden fully connected layers, as in the paper this project
follows (JMTR 10(1), 2025), on motion instead of pixels: nothing of what a person looks like gets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stream_mer.training.flow_net import GRID, DenseLucasKanade, RigidMotion
from stream_mer.types import LABELS

CLASSES = (*LABELS, "none")
"""Order of the logits."""
FEATURES = (
    "pre_apex_u", "post_apex_u", "pre_post_u", "pre_apex_v", "post_apex_v", "pre_post_v",
    "pre_apex_strain", "post_apex_strain", "pre_post_strain",
    "pre_apex_residual", "post_apex_residual", "pre_post_residual",
    "confidence_pre", "confidence_post",
    "pre_apex_rigid", "post_apex_rigid", "pre_post_rigid",
)  # fmt: skip
"""Channels the convolutions see: flow without the head's own motion, and what tells when not to trust it."""


class FlowFeatures(nn.Module):
    """Raw flow to what the convolutions see; fixed, cheap, so that training can redo it on the fly."""

    def __init__(self) -> None:
        super().__init__()
        self.rigid = RigidMotion()

    def forward(self, raw: Tensor) -> Tensor:
        """``(N, 11, 32, 32)`` of ``RAW_CHANNELS`` -> ``(N, 17, 32, 32)`` of ``FEATURES``."""
        flow, residual, confidence = raw[:, :6], raw[:, 6:9], raw[:, 9:]
        stiff = self.rigid(flow, torch.cat([confidence, confidence[:, :1]], 1))
        own = flow - stiff
        along_x, along_y = (
            F.pad(own, (1, 1, 0, 0), mode="replicate"),
            F.pad(own, (0, 0, 1, 1), mode="replicate"),
        )
        dx = 0.5 * (along_x[..., 2:] - along_x[..., :-2])
        dy = 0.5 * (along_y[..., 2:, :] - along_y[..., :-2, :])
        ux, vx = dx.chunk(2, 1)
        uy, vy = dy.chunk(2, 1)
        strain = torch.sqrt(ux * ux + vy * vy + 0.5 * (uy + vx) ** 2 + 1e-8)
        su, sv = stiff.chunk(2, 1)
        motion = torch.sqrt(su * su + sv * sv + 1e-8)
        return torch.cat([own, strain, residual, confidence, motion], 1)


WIDTHS = (32, 48, 96)
"""Channels of the three convolution layers."""


class EventNet(nn.Module):
    """Three convolution layers with pooling, two hidden layers.

    Args:
        channels: input channels (subset of ``FEATURES`` in an ablation).
        dropout: share of hidden units dropped in training.
        widths: channels of the convolutions; 280 k parameters as preset.
    """

    scale: Tensor

    def __init__(
        self,
        channels: int = len(FEATURES),
        dropout: float = 0.4,
        widths: tuple[int, int, int] = WIDTHS,
    ) -> None:
        super().__init__()
        one, two, three = widths
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))
        self.conv1 = nn.Conv2d(channels, one, 3, padding=1)
        self.conv2 = nn.Conv2d(one, two, 3, padding=1)
        self.conv3 = nn.Conv2d(two, three, 3, padding=1)
        self.hidden1 = nn.Linear(three * (GRID // 8) ** 2, 128)
        self.hidden2 = nn.Linear(128, 64)
        self.last = nn.Linear(64, len(CLASSES))
        self.extent = nn.Linear(64, 3)
        self.dropout = dropout

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Judge ``(N, C, 32, 32)`` features.

        Returns:
            ``(N, 6)`` logits in the order of ``CLASSES``, and ``(N, 3)`` where onset, apex and offset lie
            relative to where the window supposes them, in window lengths.
        """
        x = features * self.scale
        x = x / (1.0 + 0.25 * torch.abs(x))  # soft limit: one wild cell must not shout down the rest
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2).flatten(1)
        x = F.dropout(F.relu(self.hidden1(x)), self.dropout, self.training)
        x = F.dropout(F.relu(self.hidden2(x)), self.dropout, self.training)
        return self.last(x), self.extent(x)


Judge: TypeAlias = "EventNet | Committee"


class Committee(nn.Module):
    """Several networks that were trained alike from different random weights; the mean of what they say.

    They see the same flow, which costs most, and do not err on the same things.
    """

    def __init__(self, members: Sequence[EventNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """As ``EventNet``."""
        said = [member(features) for member in self.members]
        return torch.stack([s[0] for s in said]).mean(0), torch.stack([s[1] for s in said]).mean(0)


class BothWays(nn.Module):
    """Judges features as they are and in the mirror, and gives the mean: two looks err less than one.

    Left and right are equals, and the flow, which costs most, need not be measured again.

    Args:
        net: the trained network, or a committee of them.
        columns: which of ``FEATURES`` it looks at, in its order; all if None.
    """

    columns: Tensor
    signs: Tensor
    backwards: Tensor

    def __init__(self, net: Judge, columns: Tensor | None = None) -> None:
        super().__init__()
        self.net = net
        every = torch.arange(len(FEATURES))
        self.register_buffer("columns", every if columns is None else columns)
        sideways = torch.tensor([-1.0 if name.endswith("_u") else 1.0 for name in FEATURES])
        self.register_buffer("signs", sideways.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("backwards", torch.arange(GRID - 1, -1, -1), persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, 17, 32, 32)`` of ``FEATURES`` -> ``(N, 6)`` logits, ``(N, 3)`` extent."""
        logits, extent = self._judge(features)
        logits_too, extent_too = self._judge(features.index_select(3, self.backwards) * self.signs)
        return 0.5 * (logits + logits_too), 0.5 * (extent + extent_too)

    def _judge(self, features: Tensor) -> tuple[Tensor, Tensor]:
        if self.columns.shape[0] < len(FEATURES):
            features = features.index_select(1, self.columns)
        found: tuple[Tensor, Tensor] = self.net(features)
        return found


class Classifier(nn.Module):
    """The whole engine: pictures in; logits, and the event's extent, out.

    Args:
        net: the trained network, or a committee of them.
        columns: which of ``FEATURES`` it looks at, in its order.
        none_shift: added to the logit of 'none', to undo that training draws events too often.
    """

    shift: Tensor

    def __init__(self, net: Judge, columns: Tensor | None = None, none_shift: float = 0.0) -> None:
        super().__init__()
        self.flow = DenseLucasKanade()
        self.features = FlowFeatures()
        self.judge = BothWays(net, columns)
        self.register_buffer("shift", torch.tensor([[0.0] * len(LABELS) + [none_shift]]))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, 3, 128, 128, 3)`` uint8 (pre, apex, post) -> ``(N, 6)`` logits, ``(N, 3)`` extent."""
        logits, extent = self.judge(self.features(self.flow(pictures)))
        return logits + self.shift, extent


def parameters(module: nn.Module) -> int:
    """How many weights are learned."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
