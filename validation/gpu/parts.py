"""The parts of the look at a GPU, each a program of its own, and what they are asked for."""

from __future__ import annotations

from typing import NamedTuple

TESTS = (
    "tests/coulombfield/test_arrays.py",
    "tests/coulombfield/test_graphs.py",
    "tests/coulombfield/test_philox.py",
    "tests/coulombfield/sums/test_sums_cuda.py",
    "tests/coulombfield/sums/test_sums_gram.py",
    "tests/coulombfield/sums/test_sums_split.py",
    "tests/coulombfield/flow/test_flow_external.py",
    "tests/nets/primitives/test_primitives.py",
    "tests/nets/layers/test_convolution.py",
    "tests/nets/layers/test_normalization.py",
    "tests/nets/test_optimizers.py",
    "tests/experiments/data/test_data_images.py::test_a_minibatch_on_cupy_is_that_on_numpy",
    "tests/experiments/gans/test_coulomb_gan.py::test_cupy_takes_the_same_steps_as_numpy",
    "tests/experiments/gans/test_coulomb_gan.py::test_an_update_on_cupy_copies_nothing_to_the_host",
    "tests/experiments/gans/test_recorded.py",
    "tests/experiments/test_gaussian_mixture.py::test_an_experiment_on_cupy_does_what_it_does_on_numpy",
    "tests/experiments/test_images.py::test_an_experiment_on_cupy_does_what_it_does_on_numpy",
    "tests/experiments/test_random_streams.py",
    "tests/validation/equations/test_validation_equations.py::test_checks_come_to_their_verdicts_on_cupy",
)
"""Tests whose CuPy cases matter: kernels, layers, what an experiment does on both devices. ``-k cupy`` is theirs."""

QUICK_TESTS = (
    "tests/coulombfield/sums/test_sums_cuda.py::test_empty_sets_have_empty_sums_cupy",
    "tests/coulombfield/sums/test_sums_cuda.py::test_changing_a_parameter_compiles_nothing_cupy",
    "tests/experiments/data/test_data_images.py::test_a_minibatch_on_cupy_is_that_on_numpy",
    "tests/experiments/test_gaussian_mixture.py::test_an_experiment_on_cupy_does_what_it_does_on_numpy",
)

RESULTS = "{results}"
"""Stands for the file that a part writes."""
MINUTES = 8.0
"""Most time for all parts together, if nothing else is asked for."""


class Part(NamedTuple):
    """A program that is run in a process of its own."""

    name: str
    kind: str
    """What its results are: 'rates', 'tests', 'gradients' or 'speed'."""
    module: tuple[str, ...]
    """What Python runs, with what both forms ask for."""
    whole: tuple[str, ...]
    """What else is asked for."""
    quick: tuple[str, ...]
    """The same of the small form."""
    minutes: float
    """Most time, of :data:`MINUTES`."""

    def command(self, results: str, *, quick: bool) -> list[str]:
        """Arguments of Python."""
        words = ("-m", *self.module, *(self.quick if quick else self.whole))
        return [results if word == RESULTS else word for word in words]


def _speed(subject: str, whole: str, quick: str, minutes: float) -> Part:
    module = ("validation", "speed", subject, "--device", "cuda", "--json", RESULTS)
    return Part(subject, "speed", module, tuple(whole.split()), tuple(quick.split()), minutes)


_PYTEST = ("pytest", "-k", "cupy", "-p", "no:cacheprovider", "-p", "validation.gpu.reporter", "--outcomes", RESULTS)
_TINY = "--quick --seconds 0.001"

PARTS = (
    Part("card", "rates", ("validation.gpu.card", "rates", RESULTS), (), ("--quick",), 0.25),
    Part("tests", "tests", _PYTEST, TESTS, QUICK_TESTS, 2.0),
    Part(
        "gradients",
        "gradients",
        ("validation", "gradients", "--device", "cuda", "--json", RESULTS),
        (),
        ("--quick", "--only", "loss,kernel"),
        1.0,
    ),
    _speed(
        "sums",
        "--peers --only mixture,images-3072,aims --largest 1e5 --seconds 0.1",
        f"{_TINY} --peers --only mixture --largest 64",
        1.5,
    ),
    _speed(
        "networks",
        "--only im2col,discriminator,generator,update-64,update-32,bits --batch 128 --seconds 0.2 --compiled --memory",
        f"{_TINY} --only im2col,update-32 --batch 2",
        1.25,
    ),
    _speed("gans", "--seconds 0.2", f"{_TINY} --only coulomb-images --batch 2", 1.0),
    _speed("mixture", "--seconds 1", "--seconds 0.001", 0.25),
    _speed("flows", "--seconds 0.5", _TINY, 0.25),
    _speed("text", "--only updates --seconds 0.5", f"{_TINY} --only counting,updates", 0.5),
)
"""All of them, in their order."""
