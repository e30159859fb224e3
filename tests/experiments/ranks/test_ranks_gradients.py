"""Gradients over ranks are those of one process, whatever couples the samples of a minibatch."""

import pytest
import ranks_gradients
import ranks_support


@pytest.mark.slow
@ranks_support.needs_mpi
@pytest.mark.parametrize(("size", "batches"), [(2, ("8", "7")), (3, ("7",))])
def test_gradients_losses_and_numbers_that_go_on_are_those_of_one_process(size, batches):
    """Of every GAN, in float64: potential and batch-norm are those of all samples; parts are equal or not."""
    script = str(ranks_support.ROOT / "tests" / "support" / "ranks_gradients.py")
    status, out, err = ranks_support.run(size, script, "--batch", *batches, python=("-m", "mpi4py"))
    assert status == 0, err
    lines = [line.split("; ") for line in out.splitlines()]
    assert {name for name, *_ in lines} >= set(ranks_gradients.CASES) - {"coulomb with field and batch-norm"}
    wrong = [line for line in lines if not float(line[3]) < 1e-12]
    assert not wrong
