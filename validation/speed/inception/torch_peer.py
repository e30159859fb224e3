"""The Inception network of 2015-12-05 of PyTorch's own layers, with the names of the published PyTorch file.

Its blocks are those of :mod:`nets.architectures.inception`, written a second time with nothing of it: what both agree
on is not an error of one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3


class BasicConv2d(nn.Module):
    """Convolution without a bias, batch normalisation and ReLU."""

    def __init__(self, channels: int, filters: int, kernel: int | tuple[int, int], stride: int = 1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(filters, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Result of the images x (N, C, H, W)."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def _average(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _maximum(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=1, padding=1)


class BlockA(nn.Module):
    """Block of 35 x 35 images: 5 x 5, two 3 x 3."""

    def __init__(self, channels: int, pooled: int):
        super().__init__()
        self.branch1x1 = BasicConv2d(channels, 64, 1)
        self.branch5x5_1 = BasicConv2d(channels, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(channels, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Branches of x side by side."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_average(x))], 1)


class BlockB(nn.Module):
    """From 35 x 35 to 17 x 17 images."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch3x3 = BasicConv2d(channels, 384, 3, 2)
        self.branch3x3dbl_1 = BasicConv2d(channels, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Branches of x side by side."""
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, functional.max_pool2d(x, 3, 2)], 1)


class BlockC(nn.Module):
    """Block of 17 x 17 images: 1 x 7 and 7 x 1."""

    def __init__(self, channels: int, narrow: int):
        super().__init__()
        row: dict = {"kernel": (1, 7), "padding": (0, 3)}
        column: dict = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = BasicConv2d(channels, 192, 1)
        self.branch7x7_1 = BasicConv2d(channels, narrow, 1)
        self.branch7x7_2 = BasicConv2d(narrow, narrow, **row)
        self.branch7x7_3 = BasicConv2d(narrow, 192, **column)
        self.branch7x7dbl_1 = BasicConv2d(channels, narrow, 1)
        self.branch7x7dbl_2 = BasicConv2d(narrow, narrow, **column)
        self.branch7x7dbl_3 = BasicConv2d(narrow, narrow, **row)
        self.branch7x7dbl_4 = BasicConv2d(narrow, narrow, **column)
        self.branch7x7dbl_5 = BasicConv2d(narrow, 192, **row)
        self.branch_pool = BasicConv2d(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Branches of x side by side."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_average(x))], 1)


class BlockD(nn.Module):
    """From 17 x 17 to 8 x 8 images."""

    def __init__(self, channels: int):
        super().__init__()
        self.branch3x3_1 = BasicConv2d(channels, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, 2)
        self.branch7x7x3_1 = BasicConv2d(channels, 192, 1)
        self.branch7x7x3_2 = BasicConv2d(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = BasicConv2d(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Branches of x side by side."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, functional.max_pool2d(x, 3, 2)], 1)


class BlockE(nn.Module):
    """Block of 8 x 8 images: 1 x 3 beside 3 x 1."""

    def __init__(self, channels: int, pool: Callable[[Tensor], Tensor]):
        super().__init__()
        self.pool = pool
        self.branch1x1 = BasicConv2d(channels, 320, 1)
        self.branch3x3_1 = BasicConv2d(channels, 384, 1)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv2d(channels, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = BasicConv2d(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Branches of x side by side."""
        once = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        forks = [self.branch3x3_2a(once), self.branch3x3_2b(once)]
        forks += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return torch.cat([self.branch1x1(x), *forks, self.branch_pool(self.pool(x))], 1)


class Inception(nn.Module):
    """The whole network, from images (N, 3, 299, 299) to features and logits."""

    def __init__(self, classes: int = 1008):
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, 128)
        self.Mixed_6c = BlockC(768, 160)
        self.Mixed_6d = BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, _average)
        self.Mixed_7c = BlockE(2048, _maximum)
        self.fc = nn.Linear(2048, classes)

    def blocks(self) -> Sequence[tuple[str, nn.Module]]:
        """The blocks of parallel branches by name, from the first to the last."""
        return [(name, module) for name, module in self.named_children() if name.startswith("Mixed")]

    def stem(self, x: Tensor) -> Tensor:
        """From the images to what the first block takes."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, 2)
        return functional.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 2048) and logits (N, classes)."""
        x = self.stem(x)
        for _, block in self.blocks():
            x = block(x)
        features = x.mean((2, 3))
        return features, self.fc(features)


def with_channels_last(x: Tensor) -> np.ndarray:
    """Images (N, C, H, W) as this package has them."""
    return x.permute(0, 2, 3, 1).numpy()


NAMES = {"conv.weight": "weight", "bn.weight": "scale", "bn.bias": "shift", "bn.running_mean": "mean"}
NAMES |= {"bn.running_var": "variance"}


def twin(parameters: Mapping[str, np.ndarray]) -> Inception:
    """The network with the parameters of :mod:`nets.architectures.inception`, in evaluation mode."""
    weight = parameters["fc.weight"]
    network = Inception(weight.shape[1]).to(torch.from_numpy(weight).dtype).eval()
    with torch.no_grad():
        for name, target in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            if name.startswith("fc."):
                source = parameters[name].T
            else:
                ours, _, _ = next(name.partition(f".{suffix}") for suffix in NAMES if name.endswith(suffix))
                source = parameters[f"{ours}.{NAMES[name.removeprefix(ours + '.')]}"]
                source = source.transpose(3, 2, 0, 1) if source.ndim == 4 else source
            target.copy_(torch.from_numpy(np.ascontiguousarray(source)))
    return network


def forward_pass(
    parameters: Mapping[str, np.ndarray], images: np.ndarray, *, channels_last: bool
) -> Callable[[], tuple[Tensor, Tensor]]:
    """A pass of images (N, H, W, C) in inference mode, in one of the two memory formats."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = twin(parameters).to(memory_format=layout)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)

    @torch.inference_mode()
    def call() -> tuple[Tensor, Tensor]:
        return network(x)

    return call
