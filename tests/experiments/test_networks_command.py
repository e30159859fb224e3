"""``python -m experiments networks``: its tables, and what it refuses."""

from __future__ import annotations

import pytest

from experiments import networks
from experiments.__main__ import main
from nets.layers.activations import LeakyReLU
from nets.layers.conv1d import Conv1d
from nets.layers.conv2d import Conv2d
from nets.layers.linear import Linear
from nets.layers.reshape import Reshape
from nets.layers.residual import Residual
from nets.network import Network, Sequential


def printed(capsys, *arguments):
    assert main(["networks", *arguments]) == 0
    return capsys.readouterr().out


def test_a_table_has_each_layer_and_totals(capsys):
    lines = printed(capsys, "coulomb_discriminator").splitlines()
    assert lines[0] == "coulomb_discriminator: 64 x 64 x 3 -> 1"
    assert lines[1].split() == ["layer", "output", "parameters", "MFLOP"]
    rows = [line.split() for line in lines[2:]]
    first = ["0", "Conv2d(3,", "128,", "5,", "stride=2,", "bias=None)", "32", "x", "32", "x", "128", "9,600", "19.7"]
    assert rows[0] == first
    assert rows[1] == ["1", "BatchNorm(128,", "activation=LeakyReLU())", "32", "x", "32", "x", "128", "256"]
    assert rows[8] == ["8", "Flatten()", "16384"]
    assert rows[10] == ["total", "1", "17,233,025", "1,278.0"]
    assert "additions" in lines[-2]


def test_the_size_is_that_of_the_images(capsys):
    assert "coulomb_generator: 32 -> 32 x 32 x 3" in printed(capsys, "coulomb_generator", "--size", "32")


def test_without_a_name_every_network_is_printed(capsys):
    lines = printed(capsys).splitlines()
    assert [line.partition(":")[0] for line in lines if " -> " in line] == list(networks.NETWORKS)
    assert all(line == line.rstrip() for line in lines)


def test_an_unknown_name_is_an_error_that_lists_the_names(capsys):
    assert main(["networks", "coulomb_generator", "gan"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: unknown network 'gan': expected mlp, coulomb_generator, ")
    assert captured.out == ""


def test_another_size_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["networks", "--size", "48"])
    assert "invalid choice: 48" in capsys.readouterr().err


@pytest.mark.parametrize("name", networks.NETWORKS)
@pytest.mark.parametrize("size", [32, 64])
def test_rows_add_up_to_the_totals(name, size):
    """A Residual's row holds those of its branches, whose paths have dots."""
    entry = networks.NETWORKS[name]
    network, shape = entry.make(size), entry.shape(size)
    rows = list(networks.rows(network.body, shape))
    top = [row for row in rows if "." not in row.path]
    for total, of in ((network.layout.size, "parameters"), (network.body.operations(shape), "operations")):
        assert sum(getattr(row, of) for row in top) == total
        inner = [row for row in rows if not row.layer.startswith("Residual")]
        assert sum(getattr(row, of) for row in inner) == total
    assert top[-1].shape == network.body.output_shape(shape)
    assert {row.path for row in rows if row.parameters} >= {path.rpartition(".")[0] for path in network.layout.shapes}


def test_operations_are_multiplications_and_additions_of_the_products():
    (row,) = networks.rows(Sequential([Conv2d(2, 3, (2, 1), padding=((0, 0), (0, 0)))]), (5, 4, 2))
    assert row.shape == (4, 4, 3)
    assert row.operations == 2 * (4 * 4 * 3) * (2 * 1 * 2)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2d(3, 4, 5), "Conv2d(3, 4, 5)"),
        (Conv2d(3, 4, (1, 5), 2), "Conv2d(3, 4, (1, 5), stride=2)"),
        (Conv2d(3, 4, 4, padding=((0, 0), (0, 0)), bias=None), "Conv2d(3, 4, 4, padding=0, bias=None)"),
        (Conv1d(3, 4, 5, activation=LeakyReLU(0.5)), "Conv1d(3, 4, 5, activation=LeakyReLU(slope=0.5))"),
        (Linear(3, 4), "Linear(3, 4)"),
        (Reshape((2, 2, 2)), "Reshape((2, 2, 2))"),
        (Residual(Linear(3, 3), factor=0.3), "Residual(factor=0.3)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_layer_is_named_with_what_is_not_as_by_default(layer, text):
    assert networks.text_of(layer) == text


def test_a_network_of_ones_own():
    network = Network(Sequential([Linear(3, 3), Residual(Sequential([Linear(3, 3)]), Linear(3, 3))]))
    paths = [row.path for row in networks.rows(network.body, (3,))]
    assert paths == ["0", "1", "1.body.0", "1.shortcut"]
