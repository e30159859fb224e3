"""The benchmark of reading images: that it measures what it says, whatever the speed may be."""

import json

import numpy as np
import pytest

from experiments.data.image_files import FolderImages
from validation.__main__ import main
from validation.speed.data import benchmark as data


def test_every_way_has_a_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "has_torch", lambda: False)
    assert main(["speed", "data", "--quick", "--seconds", "1e-3", "--json", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["name"] for row in rows] == ["ours", "folder of PNG, ours", "folder of PNG, Pillow"]
    for row in rows:
        assert row["min_s"] <= row["median_s"] <= row["max_s"]
        assert row["images_per_s"] == pytest.approx(row["images"] / row["median_s"])
        assert row["ratio"] == pytest.approx(row["median_s"] / rows[0]["median_s"])
    assert "aim: at least 20,000 images/s" in capsys.readouterr().out


def test_ways_that_give_other_pixels_are_not_timed(tmp_path, monkeypatch):
    read = FolderImages.read
    monkeypatch.setattr(FolderImages, "read", lambda self, index: read(self, index) ^ 1)
    with pytest.raises(RuntimeError, match="other pixels"):
        data.run(1e-3, quick=True)


def test_peers_read_the_same_images(tmp_path):
    torch_data = pytest.importorskip("validation.speed.data.torch_peer", exc_type=ImportError)
    data._write_files(tmp_path / "png", 10)
    paths = sorted((tmp_path / "png").iterdir())
    known = {image.tobytes() for image in FolderImages(tmp_path / "png", data.SIZE, 3).read(np.arange(10))}
    for workers in (0, 1):
        images = next(torch_data.batches(paths, 4, workers)).numpy()
        assert images.shape == (4, data.SIZE, data.SIZE, 3)
        assert {image.tobytes() for image in images} <= known
