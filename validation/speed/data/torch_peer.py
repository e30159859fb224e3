"""The peer: PyTorch's DataLoader over a folder of image files, or over an HDF5 file by h5py, as its users write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, RandomSampler


class Files(Dataset):
    """Image files."""

    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        with Image.open(self.paths[number]) as image:
            return torch.from_numpy(np.array(image.convert("RGB")))


class File(Dataset):
    """Images of an HDF5 file, which each worker opens for itself."""

    def __init__(self, path: Path):
        self.path = path
        self.images: h5py.Dataset | None = None
        with h5py.File(path) as file:
            self.count = len(file["images"])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> torch.Tensor:
        if self.images is None:
            self.images = h5py.File(self.path)["images"]
        return torch.from_numpy(self.images[number])


def batches(source: Path | list[Path], batch: int, workers: int) -> Iterator[torch.Tensor]:
    """Endless minibatches drawn with replacement, uint8 of shape (batch, H, W, C)."""
    dataset = File(source) if isinstance(source, Path) else Files(source)
    sampler = RandomSampler(dataset, replacement=True, num_samples=10**7)
    return iter(DataLoader(dataset, batch, sampler=sampler, num_workers=workers))
