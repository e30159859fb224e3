"""A run draws the same numbers on every device, where its streams are Philox's, and moves between devices."""

from __future__ import annotations

import json

import numpy as np
import pytest

from coulombfield.arrays import Device, select_device, to_numpy
from coulombfield.rng import Streams
from experiments import config
from experiments.runs import checkpoint, life

POINTS = ("data.points=300", "data.held_out=40", "metrics=[]")
WIDTHS = ("generator.layers.hidden=[8]", "discriminator.layers.hidden=[8]")
PRESETS = {
    "gaussian-mixture-quick": (*POINTS, *WIDTHS, "training.batch=12"),
    "figure-4-wgan-gp": (*POINTS, "training.batch=12", "generator.prior=uniform", "generator.signs=2"),
    "digits": ("training.batch=8", "generator.width=16", "discriminator.base=4", "data.flip=true"),
}


@pytest.fixture(scope="module")
def devices(cupy):
    return {"numpy": Device(np, "cpu"), "cupy": Device(cupy, "cuda:0")}


def built(preset, device, *overrides, bit_generator="philox"):
    choices = (*PRESETS[preset], f"training.bit_generator={bit_generator}", "training.updates=9")
    return life.build(config.resolve(preset, [*choices, *overrides]), device)


def draws_of(experiment, updates):
    """All that is drawn for some updates, on the host, in the order of its use."""
    drawn, gradients = [], experiment.gan.gradients

    def recorded(move, **draws):
        drawn.extend((move, name, to_numpy(values).copy()) for name, values in draws.items())
        return gradients(move, **draws)

    experiment.gan.gradients = recorded
    for _ in range(updates):
        experiment.step()
    experiment.gan.gradients = gradients
    return drawn


def expect_same(one, other):
    assert len(one) == len(other) > 0
    for (move, name, values), (other_move, other_name, others) in zip(one, other, strict=True):
        assert (move, name) == (other_move, other_name)
        assert values.dtype == others.dtype
        np.testing.assert_array_equal(values, others)


@pytest.mark.parametrize("preset", PRESETS)
def test_three_updates_on_cupy_draw_what_those_on_numpy_draw(devices, preset):
    runs = [built(preset, device) for device in devices.values()]
    expect_same(*(draws_of(run, 3) for run in runs))
    assert runs[0].gan.streams.state() == runs[1].gan.streams.state()


@pytest.mark.parametrize(("first", "then"), [("numpy", "cupy"), ("cupy", "numpy")])
@pytest.mark.parametrize("preset", ["gaussian-mixture-quick", "figure-4-wgan-gp"])
def test_a_checkpoint_goes_on_with_the_same_draws_on_another_device_cupy(devices, tmp_path, preset, first, then):
    whole = built(preset, devices["numpy"])
    draws_of(whole, 3)
    begun = built(preset, devices[first])
    draws_of(begun, 3)
    checkpoint.save(tmp_path / "file.h5", checkpoint.Checkpoint(3, "", {"experiment": begun.state()}))
    resumed = built(preset, devices[then])
    resumed.load_state(checkpoint.load(tmp_path / "file.h5").state["experiment"])
    expect_same(draws_of(whole, 3), draws_of(resumed, 3))


def test_updates_copy_no_draws_to_cupy(devices):
    """Latent vectors, minibatches and mixing are made on the device, of which nothing comes from the host."""

    class Guarded(Device):
        def put(self, array):
            assert not isinstance(array, np.ndarray)
            return array

    experiment = built("figure-4-wgan-gp", devices["cupy"])
    gan = experiment.gan
    gan.device = gan.data._device = Guarded(*devices["cupy"])
    for _ in range(3):
        for name in ("latent", "real", "mixing"):
            assert isinstance(getattr(gan, f"draw_{name}")(), devices["cupy"].xp.ndarray)


def test_a_state_of_another_bit_generator_is_refused():
    one, other = (built("gaussian-mixture-quick", select_device("cpu"), bit_generator=n) for n in ("sfc64", "philox"))
    with pytest.raises(ValueError, match="streams: expected those of philox, got those of sfc64"):
        other.load_state(one.state())


def test_another_number_of_ranks_keeps_the_bit_generator():
    """Streams begin anew then, as those of a rank do."""
    run = built("gaussian-mixture-quick", select_device("cpu"))
    state = run.state()
    state["streams"] = json.dumps([json.loads(state["streams"])] * 2)
    run.load_state(state)
    assert run.renewed
    assert run.gan.streams.bit_generator == "philox"


def test_the_bit_generator_is_that_of_all_streams():
    """Of data, of the players' start, and of what updates draw; another one draws other numbers."""
    host = select_device("cpu")
    runs = {name: built("gaussian-mixture-quick", host, bit_generator=name) for name in ("sfc64", "philox")}
    for name, run in runs.items():
        run.step()
        state = json.loads(run.gan.state()["streams"])
        assert state["bit_generator"].lower() == name
        assert state["streams"].keys() == {"data", "initialization", "latent", "minibatch"}
        streams = Streams(2, bit_generator=name)
        np.testing.assert_array_equal(
            run.data.training.first(5), run.data.mixture.sample(300, streams.stream("data"), np.float32)[:5]
        )
    one, other = runs.values()
    assert not np.array_equal(one.data.held_out.first(5), other.data.held_out.first(5))
    assert not np.array_equal(one.gan.generator.params.vector, other.gan.generator.params.vector)
