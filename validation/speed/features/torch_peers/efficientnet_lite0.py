"""EfficientNet-Lite0 in PyTorch's layers, with the names of the published weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nets.architectures.efficientnet_lite0 import CLASSES, EPSILON, FEATURES, STAGES, STEM
from nets.primitives.geometry import same_padding

from ...torch_twins import use_all_processors


class Twin(nn.Module):
    """The network, as a user of PyTorch writes it, for images (N, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Same(3, STEM, 3, 2, bias=False), _norm(STEM)
        blocks: list[nn.Module] = []
        channels = STEM
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = 1 if repeat else stage.stride
                blocks.append(_Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = nn.Conv2d(channels, FEATURES, 1, bias=False), _norm(FEATURES)
        self._pool, self._act, self._fc = nn.AdaptiveAvgPool2d(1), nn.ReLU6(inplace=True), nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits."""
        x = self._act(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        features = self._pool(self._act(self._bn1(self._conv_head(x)))).flatten(1)
        return features, self._fc(features)


def twin(tensors: Mapping[str, np.ndarray], dtype: np.typing.DTypeLike, *, channels_last: bool = False) -> Twin:
    """The network with these weights, for evaluation."""
    network = Twin()
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"tensors: missing {missing}, not expected {unexpected}")
    network = network.to(getattr(torch, np.dtype(dtype).name)).eval()
    return network.to(memory_format=torch.channels_last) if channels_last else network


class _Block(nn.Module):
    def __init__(self, channels: int, channels_out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        self._expands, self._adds = expansion > 1, stride == 1 and channels == channels_out
        if self._expands:
            self._expand_conv, self._bn0 = nn.Conv2d(channels, wide, 1, bias=False), _norm(wide)
        self._depthwise_conv = _Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1, self._act = _norm(wide), nn.ReLU6(inplace=True)
        self._project_conv, self._bn2 = nn.Conv2d(wide, channels_out, 1, bias=False), _norm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self._act(self._bn0(self._expand_conv(x))) if self._expands else x
        h = self._bn2(self._project_conv(self._act(self._bn1(self._depthwise_conv(h)))))
        return h + x if self._adds else h


class _Same(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding, which may differ between the two ends."""

    def forward(self, input: Tensor) -> Tensor:
        rows, columns = same_padding(
            (input.shape[2], input.shape[3]),
            (self.kernel_size[0], self.kernel_size[1]),
            (self.stride[0], self.stride[1]),
        )
        return super().forward(nn.functional.pad(input, (*columns, *rows)))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


def call(
    tensors: Mapping[str, np.ndarray], x: np.ndarray, *, channels_last: bool = False
) -> Callable[[], list[np.ndarray]]:
    """A forward pass of images (N, H, W, 3) in their dtype, which gives features and logits."""
    use_all_processors()
    network = twin(tensors, x.dtype, channels_last=channels_last)
    form = torch.channels_last if channels_last else torch.contiguous_format
    images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=form)

    def forward() -> list[np.ndarray]:
        with torch.inference_mode():
            return [result.numpy() for result in network(images)]

    return forward
