"""Every GAN's gradients recorded: by a GPU, and on the host by calls that know no more than a graph would."""

from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from gan_presets import preset_of

from coulombfield.arrays import Device, to_numpy
from coulombfield.graphs import refusal
from experiments import config, registry
from experiments.gans import recorded as module
from experiments.gans.recorded import RecordedMoves
from experiments.runs import life
from experiments.runs.checkpoint import leaves

KINDS = registry.kinds("gans")
UPDATES = 6
SMALL = (f"training.updates={UPDATES}", "training.batch=16", "data.points=300", "data.held_out=100", "metrics=[]")
CPU = Device(np, "cpu")


def overrides(kind):
    """What makes a run small, with few moves of a critic."""
    settings = config.resolve(preset_of(kind)).config.gan
    few = {"burst_steps": 3, "critic_steps": 2}
    return [*SMALL, *(f"gan.{name}={value}" for name, value in few.items() if hasattr(settings, name))]


def host_state(gan):
    """What a launched graph does not see: the host's numbers, and which arrays names stand for."""
    numbers = {name: value for name, value in vars(gan).items() if isinstance(value, int | float | str | None)}
    steps = {name: player.optimizer.step for name, player in gan.players.items()}
    return numbers, dict(gan.memory), steps


def put_back(gan, state):
    numbers, memory, steps = state
    vars(gan).update(numbers)
    gan.memory.clear()
    gan.memory.update(memory)
    for name, step in steps.items():
        gan.players[name].optimizer.step = step


class Again:
    """In place of a recording: the call once more, with the host's state of the time when it was recorded."""

    def __init__(self, gan, call):
        self.gan, self.call = gan, call
        self.state = self.then = host_state(gan)
        self.kept, self.which = [], 0
        losses, gradients = call(self)
        self.result = {name: np.array(loss) for name, loss in losses.items()}, gradients

    def __call__(self):
        self.which, self.then = 0, host_state(self.gan)
        put_back(self.gan, self.state)
        try:
            again = self.call(self)
        finally:
            put_back(self.gan, self.then)
        for name, gradient in again[1].items():
            self.result[1][name].vector[...] = gradient.vector
        for name, loss in again[0].items():
            self.result[0][name][...] = loss

    def aside(self, call):
        put_back(self.gan, self.then)
        values = call()
        put_back(self.gan, self.state)
        if self.which == len(self.kept):
            self.kept.append(values)
        kept = self.kept[self.which]
        self.which += 1
        return tuple(renewed(old, new) for old, new in zip(kept, values, strict=True))


def renewed(old, new):
    """The old array with the numbers of the new one; NumPy gives numbers where CuPy gives arrays of one."""
    if isinstance(old, np.ndarray):
        old[...] = new
        return old
    assert isinstance(new, np.generic) or old == new
    return new


@pytest.fixture
def host(monkeypatch):
    """A host that records, in its way; how often memory was given back."""
    freed = []
    pool = SimpleNamespace(free_all_blocks=lambda: freed.append(True))
    monkeypatch.setattr(np, "cuda", SimpleNamespace(MemoryPool=lambda: pool), raising=False)
    monkeypatch.setattr(module, "refusal", lambda xp: "")
    return freed


def built(kind, device=CPU, *more):
    return life.build(config.resolve(preset_of(kind), [*overrides(kind), *more]), device)


def states(experiment, updates):
    """Losses and all numbers of a state after each of some updates."""
    for _ in range(updates):
        losses = {name: float(loss) for name, loss in experiment.step().items()}
        yield losses, {name: np.array(to_numpy(leaf)) for name, leaf in leaves(experiment.gan.state())}


def expect_the_same_updates(singly, recorded):
    for one, other in zip(states(singly, UPDATES), states(recorded, UPDATES), strict=True):
        assert one[0] == other[0]
        for name, values in one[1].items():
            np.testing.assert_array_equal(other[1][name], values, err_msg=name)


def pair(kind, monkeypatch, device=CPU, *more):
    """The same experiment twice: the first as ever, the second with recorded moves."""
    singly, recorded = built(kind, device, "training.graph=false", *more), built(kind, device, *more)
    if device is CPU:
        monkeypatch.setattr(module, "Recorded", lambda xp, call, memory: Again(recorded.gan, call))
        recorded.gan.record()
    return singly, recorded


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_moves_make_the_same_updates(kind, host, monkeypatch):
    singly, recorded = pair(kind, monkeypatch)
    turns = {}
    made = Again.__call__
    monkeypatch.setattr(Again, "__call__", lambda self: (turns.update({self: turns.get(self, 0) + 1}), made(self)))
    expect_the_same_updates(singly, recorded)
    moves = [move for update in range(UPDATES) for move in moves_at(recorded.gan, update)]
    assert sum(turns.values()) == len(moves) - 2 * len(set(moves))


def moves_at(gan, update):
    now, gan.updates = gan.updates, update
    try:
        return gan.moves()
    finally:
        gan.updates = now


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_moves_on_a_gpu_make_the_same_updates_cupy(kind, cupy, monkeypatch):
    if reason := refusal(cupy):
        pytest.skip(reason)
    singly, recorded = pair(kind, monkeypatch, Device(cupy, "cuda:0"), "training.bit_generator=philox")
    expect_the_same_updates(singly, recorded)


def test_what_a_loaded_state_brings_is_what_recorded_moves_use(host, monkeypatch):
    singly, recorded = pair("began", monkeypatch)
    for _ in range(4):
        singly.step()
    state = copy.deepcopy(singly.state())
    for _ in range(3):
        recorded.step()
    recorded.load_state(state)
    for one, other in zip(states(singly, 2), states(recorded, 2), strict=True):
        assert one[0] == other[0]


def test_losses_are_kept(host, monkeypatch):
    """The loop reads them many updates later."""
    singly, recorded = pair("wgan", monkeypatch)
    kept = [[each.step() for _ in range(UPDATES)] for each in (singly, recorded)]
    for one, other in zip(*kept, strict=True):
        assert {name: float(loss) for name, loss in one.items()} == {name: float(loss) for name, loss in other.items()}


@pytest.mark.parametrize("error", [NotImplementedError("cuBLAS"), RuntimeError("invalidated")])
def test_what_can_not_be_recorded_is_computed_as_before(host, monkeypatch, error):
    singly, recorded = pair("coulomb", monkeypatch)

    def refuse(*_):
        raise error

    monkeypatch.setattr(module, "Recorded", refuse)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for one, other in zip(states(singly, 4), states(recorded, 4), strict=True):
            assert one[0] == other[0]
    assert host == [True]
    assert [str(each.message) for each in seen] == (
        []
        if isinstance(error, NotImplementedError)
        else [
            "training.graph: the move both can't be recorded, and its kernels are launched one by one "
            "(RuntimeError: invalidated)"
        ]
    )


def test_gradients_that_differ_are_not_used(host, monkeypatch):
    singly, recorded = pair("coulomb", monkeypatch)

    class Wrong(Again):
        def __init__(self, gan, call):
            super().__init__(gan, call)
            self.result[1]["generator"].vector[0] += 1

    monkeypatch.setattr(module, "Recorded", lambda xp, call, memory: Wrong(recorded.gan, call))
    with pytest.warns(RuntimeWarning, match="its gradients differ from those of single launches"):
        found = [losses for losses, _ in states(recorded, 4)]
    assert found == [losses for losses, _ in states(singly, 4)]


def test_who_can_not_record_says_so(monkeypatch):
    experiment = built("coulomb")
    monkeypatch.setattr(module, "refusal", lambda xp: "no graphs here")
    with pytest.raises(RuntimeError, match="no graphs here"):
        RecordedMoves(experiment.gan)
    experiment.gan.device = Device(np, "cuda:0")
    with pytest.warns(RuntimeWarning, match=r"training.graph: kernels are launched one by one \(no graphs here\)"):
        experiment._record()
    assert np.isfinite(float(experiment.step()["generator"]))
