"""The benchmark of the convolutional networks: that it measures what it says, whatever the speed may be."""

import functools
import json
import time

import numba
import numpy as np
import pytest

from nets.layers.conv2d import Conv2d
from validation.__main__ import main
from validation.speed import turns as networks_turns
from validation.speed.networks import benchmark as networks
from validation.speed.networks import cases as networks_cases
from validation.speed.networks import memory as networks_memory
from validation.speed.networks import update as networks_update
from validation.speed.networks.cases import BACKWARD, DPARAMS, DX, FORWARD, operations, passes_of_layers, players

TINY = ["--quick", "--batch", "2", "--seconds", "1e-3"]
# fmt: off
DOCUMENTED = [
    "table", "name", "quantity", "batch", "operations", "ours_min_s", "ours_s", "ours_max_s", "effective_flops",
    "of_sgemm", "peer", "peer_min_s", "peer_s", "peer_max_s", "ratio", "contiguous_s", "channels_last_s", "ours_mb",
    "peer_mb", "difference", "note", "device", "share_of_product", "share_of_rate", "share_of_bandwidth", "counted",
    "peers",
]
# fmt: on


@pytest.fixture(autouse=True)
def _narrow_and_alone(monkeypatch):
    """Without PyTorch, whether it is installed or not, and with very narrow networks."""
    monkeypatch.setattr(networks, "has_torch", lambda *_: False)
    monkeypatch.setattr(networks, "QUICK_BASE", 2)
    monkeypatch.setattr(networks, "sgemm_rate", lambda: 1e11)


def speed_networks(tmp_path, *arguments):
    """Rows that the command writes."""
    file = tmp_path / "rows.json"
    assert main(["speed", "networks", *TINY, "--json", str(file), *arguments]) == 0
    return json.loads(file.read_text())


def test_every_timing_has_a_row_with_its_rate(tmp_path, capsys):
    rows = speed_networks(tmp_path)
    assert all(list(row) == DOCUMENTED for row in rows)
    assert {row["table"] for row in rows} == {"layers", "players", "updates", "bits"}
    for row in rows:
        assert row["batch"] == 2
        assert row["peer"] == ""
        if row["table"] == "bits":
            assert row["note"] == "same bits"
            continue
        assert 0 < row["ours_min_s"] <= row["ours_s"] <= row["ours_max_s"]
        if row["operations"] is not None:
            assert row["effective_flops"] == pytest.approx(row["operations"] / row["ours_s"])
            assert row["of_sgemm"] == pytest.approx(row["effective_flops"] / 1e11)
    layers = [row for row in rows if row["table"] == "layers"]
    convolutions = [row["quantity"] for row in layers if "Conv" in row["name"]]
    assert convolutions == [FORWARD, DX, DPARAMS] * 8
    printed = capsys.readouterr().out
    assert all(row["name"] in printed for row in rows)


def test_only_some_rows_and_other_batches(tmp_path):
    rows = speed_networks(tmp_path, "--only", "generator,bits", "--batch", "2,3")
    assert {(row["table"], row["batch"]) for row in rows} == {
        (table, batch) for table in ("players", "bits") for batch in (2, 3)
    }
    assert all("discriminator" not in row["name"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "generator,nothing"], "unknown 'nothing'; expected some of im2col, "),
        (["--batch", "16,1.5"], "expected whole numbers of at least 2, got 16,1.5"),
        (["--batch", "1"], "expected whole numbers of at least 2, got 1"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(["speed", "networks", *arguments])
    assert message in capsys.readouterr().err


def test_operations_are_those_of_the_textbook():
    products = [
        25 * 3 * 128 * 32 * 32,
        25 * 128 * 256 * 16 * 16,
        25 * 256 * 512 * 8 * 8,
        25 * 512 * 1024 * 4 * 4,
        4 * 4 * 1024,
    ]
    of_d = [2 * count for count in products]
    _, discriminator = players(64, 128)
    shape = (64, 64, 3)
    assert operations(discriminator.body, shape) == operations(discriminator.body, shape, DX) == sum(of_d)
    assert operations(discriminator.body, shape, DPARAMS) == 2 * sum(of_d) - of_d[0]
    assert operations(discriminator.body, shape, BACKWARD) == 2 * sum(of_d)
    first = Conv2d(3, 128, 5, 2)
    assert [operations(first, shape, q) for q in (FORWARD, DX, DPARAMS)] == [of_d[0]] * 3
    # The generator has the same convolutions the other way round, to a dense layer of 32 numbers.
    dense = 2 * 32 * 4 * 4 * 1024
    of_g = sum(of_d[:4]) + dense
    update = 3 * of_g - dense + 2 * (3 * sum(of_d) - of_d[0]) + sum(of_d)
    assert networks_cases.update_operations(64, 128) == update


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_backward_pass_that_is_repeated_begins_again_with_its_dy(player):
    """Some layers put dx where dy was: without a fresh dy now and then the numbers would vanish, and take longer."""
    changing = 0
    for case in passes_of_layers(player, 16, 2, 2):
        if case.quantity in (DX, BACKWARD):
            call = case.ours()
            results = [call().copy() for _ in range(networks_cases.REFRESHED + 1)]
            np.testing.assert_array_equal(results[0], results[-1])
            changing += not np.array_equal(results[0], results[1])
    assert changing


def test_long_calls_are_timed_three_times_and_hopeless_rivals_once(monkeypatch):
    monkeypatch.setattr(networks_turns, "LONG", 0.05)
    monkeypatch.setattr(networks_turns, "COLD", 0.015)
    times = {"ours": 0.01, "fast": 0.02, "slow": 0.1}
    calls = dict.fromkeys(times, 0)

    def call(name):
        calls[name] += 1
        time.sleep(times[name])

    some = {name: functools.partial(call, name) for name in times}
    spreads = networks_turns.take_turns(some, 0.001, rivals=("fast", "slow"))
    assert calls == {"ours": 4, "fast": 3, "slow": 1}
    for name, spread in spreads.items():
        assert times[name] <= spread.minimum <= spread.median <= spread.maximum


def test_memory_is_that_of_a_fresh_process(tmp_path, monkeypatch):
    asked = []

    def measure(*arguments):
        asked.append(arguments[:4])
        return networks_memory.Peak(100.0, 150.0)

    monkeypatch.setattr(networks_memory, "measure", measure)
    rows = speed_networks(tmp_path, "--only", "bits", "--memory")
    assert asked == [("ours", 64, 2, 2), ("ours", 32, 2, 2)]
    assert [row["ours_mb"] for row in rows if row["table"] == "memory"] == [50.0, 50.0]


def test_memory_of_one_update(capsys):
    networks_memory.main("ours", "8", "4", "2")
    before, after = json.loads(capsys.readouterr().out)
    assert 0 < before <= after


def test_bits_that_depend_on_the_number_of_threads_are_noticed(tmp_path, monkeypatch):
    if numba.get_num_threads() == 1:
        pytest.skip("one thread only")
    original = networks_update.coulomb_gan

    def drifting(*arguments, **options):
        gan = original(*arguments, **options)
        gan.generator.params.vector[0] += numba.get_num_threads()
        return gan

    monkeypatch.setattr(networks_update, "coulomb_gan", drifting)
    (row,) = speed_networks(tmp_path, "--only", "bits")
    assert row["note"] == "DIFFERENT BITS"
