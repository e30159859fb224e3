"""Benchmarks on a device: how time is taken there, which peers are asked, and what a card can do."""

import importlib.util
import os
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from coulombfield.arrays import Device
from validation.__main__ import main
from validation.speed import timing
from validation.speed.card import Card, Shares
from validation.speed.gans import benchmark as gans
from validation.speed.gans.settings import Setting
from validation.speed.networks.cases import passes_of_layers
from validation.speed.rows import FORMATS, OURS, Row, best_of, jax_sees, timed
from validation.speed.sums import benchmark as sums
from validation.speed.sums import gpu_peers
from validation.speed.sums.cases import CASES
from validation.speed.sums.oracle import errors, oracle
from validation.speed.timing import CPU, Spread, seconds_by_events, timer_of
from validation.speed.turns import take_turns


class Cuda:
    """A GPU that is done only when it is waited for: a call gives it work, which takes time then."""

    def __init__(self, clock=True):
        self.now, self.work, self.clock = 0.0, 0.0, clock
        self.runtime = SimpleNamespace(deviceSynchronize=self.synchronize)
        self.waits = 0

    def synchronize(self):
        self.waits += 1
        self.now, self.work = self.now + self.work, 0.0

    def Event(self):  # noqa: N802 (CuPy's name)
        event = SimpleNamespace(time=None)
        event.record = lambda: setattr(event, "time", self.now + self.work)
        return event

    def get_elapsed_time(self, start, end):
        return 1e3 * (end.time - start.time) if self.clock else 0.0

    def compute(self, seconds=0.25):
        self.work += seconds


def test_events_time_the_work_and_not_what_was_there_before():
    cuda = Cuda()
    cuda.compute(5.0)
    assert seconds_by_events(cuda, cuda.compute, 4) == 0.25
    assert cuda.work == 0


def test_without_a_clock_in_its_events_a_device_is_timed_by_that_of_the_host():
    cuda = Cuda(clock=False)
    assert 0.004 < seconds_by_events(cuda, lambda: time.sleep(0.005), 2) < 1


def test_a_gpu_is_timed_by_its_events_and_a_cpu_by_the_clock():
    cuda = Cuda()
    gpu = Device(SimpleNamespace(cuda=cuda), "cuda:0")
    assert timer_of(CPU) is timing.seconds_a_call
    assert timer_of(gpu)(cuda.compute, 3) == 0.25
    for turns in (timing.take_turns, timing.few_turns, take_turns):
        spread = turns({"a": cuda.compute}, 0.01, timer=timer_of(gpu))["a"]
        assert spread == (0.25, 0.25, 0.25)


def test_the_peer_of_a_row_is_as_exact_as_ours():
    spreads = {name: Spread(each, each, each) for name, each in ((OURS, 2.0), ("eager", 3.0), ("eager, TF32", 1.0))}
    row = timed(Row("updates", "an update", device="cuda:0"), spreads)
    assert (row.peer, row.ratio) == ("eager", 1.5)
    assert row.peers == {"eager": 3.0, "eager, TF32": 1.0}
    assert best_of({"a, TF32": spreads[OURS]}) == "a, TF32"


def test_shares_are_of_the_rates_of_the_card(monkeypatch):
    card = Card(Device(SimpleNamespace(cuda=Cuda()), "cuda:0"))
    monkeypatch.setattr(card, "product_rate", lambda operations, dtype: 1e3)
    monkeypatch.setattr(card, "rate", lambda dtype: {"float32": 4e3, "float64": 1e3}[dtype])
    monkeypatch.setattr(Card, "bandwidth", 100.0)
    shares = card.shares(2.0, products=1000, operations=1000, moved=20)
    assert shares == (0.5, 0.125, 0.1)
    assert str(shares) == "50% of cuBLAS, 12% of multiply-adds, 10% of bandwidth"
    assert card.shares(2.0, operations=1000, dtype="float64") == (None, 0.5, None)
    assert str(Shares()) == ""


def test_a_gpu_that_is_not_there_is_one_line(capsys):
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed")
    assert main(["speed", "mixture", "--device", "cuda"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: device: cuda was asked for, but CuPy is not installed")
    assert error.count("\n") == 1


def test_every_way_of_pytorch_is_named_once_and_one_that_fails_is_told(capsys):
    torch = pytest.importorskip("torch")
    from validation.speed.torch_variants import calls_in, variants

    ways = variants()
    assert len({way.name for way in ways}) == len(ways) == 8
    assert len(variants(images=False)) == 4
    assert len(variants(compiled=False)) == 4
    assert {way.channels_last for way in ways} == set(FORMATS.values())
    seen = {}

    def make(way):
        if way.compiled:
            raise ValueError("no compiler\nanywhere")
        return lambda: seen.setdefault(way.name, torch.backends.cuda.matmul.allow_tf32)

    calls = calls_in(ways, make)
    assert seen == {name: name.endswith("TF32") for name in calls}
    assert len(calls) == 4
    assert capsys.readouterr().out.count("failed: ValueError: no compiler\n") == 4


def test_pytorch_is_called_in_every_way_eager_and_compiled(monkeypatch):
    torch = pytest.importorskip("torch")
    from validation.speed.mixture import torch_peer as mixture_peer
    from validation.speed.mixture.benchmark import PRESET, config
    from validation.speed.networks.torch_calls import calls_on
    from validation.speed.text.updates import torch_peer as text_peer
    from validation.speed.text.updates.settings import Setting as Text
    from validation.speed.torch_variants import variants

    compiled = []

    def counted(function):
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", counted)  # the compiler takes a minute and is not ours
    case = next(passes_of_layers("discriminator", 64, 2, 2))
    layers = calls_on("cpu", case, compiled=True)
    assert set(layers) == {way.name for way in variants()}
    assert len(compiled) == 4
    text = text_peer.updates_of(Text("coulomb", 16, 2, 8, 1), "cpu", True)
    mixture = mixture_peer.updates_on("cpu", config.resolve(PRESET).config)
    assert set(text) == set(mixture) == {way.name for way in variants(images=False)}
    assert len(compiled) == 4 + 2 * 2 + 2 * 2


@pytest.mark.parametrize(("case", "bound"), [("cube-1-1", 1e-13), ("images-3072", 1e-8)])  # by products it cancels
def test_peers_of_pytorch_sum_the_same_on_their_device(case, bound):
    pytest.importorskip("torch")
    problem = CASES[case].problem(40, "float64")
    exact = oracle(problem)
    peer = gpu_peers._with_tf32(gpu_peers.torch_eager, False)
    found = errors(*peer(problem, True, 1e-12, device="cpu")(), exact)
    assert 0 < found.l2_potential < bound
    assert 0 < found.l2_field < bound


def test_the_transforms_alone_have_the_modes_and_sets_of_the_fourier_sums(monkeypatch):
    pytest.importorskip("finufft")
    made = []

    class Plan:
        def __init__(self, kind, shape, sets, tolerance, sign, dtype, **options):
            made.append((kind, shape, sets, sign, dtype))
            self.kind, self.shape, self.sets = kind, shape, sets

        def setpts(self, *angles):
            assert len(angles) == 3
            assert all(abs(each).max() <= np.pi for each in angles)

        def execute(self, values):
            expected = (500,) if self.kind == 1 else (self.sets, *self.shape)
            assert values.shape == expected
            return np.zeros(self.shape, values.dtype)

    monkeypatch.setitem(sys.modules, "finufft", SimpleNamespace(Plan=Plan))
    problem = CASES["cube-1-1"].problem(500, "float32")
    assert gpu_peers.transforms_alone(problem, True, 1e-4, np)() == (None, None)
    (first, shape, *_), second = made
    assert (first, second) == (1, (2, shape, 4, 1, "complex64"))
    monkeypatch.undo()
    gpu_peers.transforms_alone(problem, False, 1e-4, np)()  # finufft itself takes all that


def test_what_a_stand_in_lacks_is_told_and_stops_nothing(monkeypatch):
    def lacks(*arguments, **options):
        raise NotImplementedError("linalg.qr is not available")

    monkeypatch.setattr(gans, "has_torch", lambda *_: False)
    monkeypatch.setattr(gans, "image_presets", lambda: ("mcgan-images", "coulomb-images"))
    monkeypatch.setattr(Setting, "ours", lambda self: lacks() if self.preset == "mcgan-images" else time.time)
    rows = gans.run(0.001, batch=(2,), quick=True)
    assert [(row["name"], row["note"]) for row in rows] == [
        ("mcgan-images", "not on this device: linalg.qr is not available"),
        ("coulomb-images", ""),
    ]
    assert sums._failure(NotImplementedError("no sort\nhere")) == "not on this device: no sort"
    assert sums._failure(ValueError("odd")) == "failed: ValueError: odd"


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_jax_is_a_peer_where_it_computes_and_leaves_memory_to_others(backend, monkeypatch):
    settings = {}
    jax = ModuleType("jax")
    jax.__spec__ = ModuleSpec("jax", None)
    jax.config = SimpleNamespace(update=settings.__setitem__)
    jax.default_backend = lambda: backend
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "")  # so that it is put back
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE")
    gpu = Device(SimpleNamespace(), "cuda:0")
    assert jax_sees(CPU) == (backend == "cpu")
    assert jax_sees(gpu) == (backend == "gpu")
    assert settings == {"jax_default_matmul_precision": "highest"}
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
