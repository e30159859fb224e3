"""Sums, energies and flows over 2 and 3 ranks: one program of all cases is run by mpiexec, once for each number."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mpi4py")
pytest.importorskip("finufft")

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("ranks_program.py")
ROOT = Path(__file__).resolve().parents[3]
SECONDS = 600  # a hang fails; with nothing compiled yet it takes a minute or two
MPIEXEC = Path(sys.executable).with_name("mpiexec")


@pytest.fixture(scope="module", params=[2, 3])
def found(request):
    """What all cases found, and the number of ranks."""
    if not MPIEXEC.exists():
        pytest.skip("no mpiexec beside this Python (pip install mpich)")
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [MPIEXEC, "-n", str(request.param), sys.executable, "-m", "mpi4py", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {"ranks": request.param, **json.loads(done.stdout)}


def test_every_method_gives_the_sums_of_all_charges(found):
    for name, (error, method) in found["errors_of_methods"].items():
        assert error <= 1, name
        assert name.endswith(method), "the method that was asked for"


def test_how_points_are_spread_shows_in_rounding_only(found):
    assert found["spreads"]["differences"].keys() == {f"{m} {e}" for m in METHODS for e in (False, True)}
    for name, difference in found["spreads"]["differences"].items():
        assert difference <= 1e-12, name


def test_deterministic_sums_have_the_same_bits_for_every_spread_and_number_of_ranks(found):
    digests = found["spreads"]["digests"]
    assert digests.keys() == {f"{m} {e}" for m in METHODS if m != "gram" for e in (False, True)}
    for name, each in digests.items():
        assert len(set(each)) == 1, name
        assert KNOWN.setdefault(name, each[0]) == each[0], name


METHODS = "simd", "direct", "gram", "nufft", "split"
KNOWN: dict[str, str] = {}
"""Digests by the numbers of ranks that were seen before."""


def test_ranks_may_have_no_charges_or_targets(found):
    few = found["few"]
    assert max(few.values()) <= 1e-14
    assert len(few) == 7


@pytest.mark.parametrize(
    "what",
    [
        "dtype",
        "dimension",
        "version",
        "kernel",
        "rtol",
        "method",
        "wanted",
        "targets",
        "state",
        "step",
        "groups",
        "masses",
    ],
)
def test_ranks_that_disagree_all_raise_the_same_line_that_names_what_and_whom(found, what):
    texts = found["disagreements"][what]
    assert len(texts) == found["ranks"]
    assert len(set(texts)) == 1
    (text,) = set(texts)
    assert "\n" not in text
    assert f"rank {found['ranks'] - 1}" in text
    expected = {
        "targets": "targets: expected as many as charges (5)",
        "state": "real.positions: expected finite numbers",
    }
    expected["masses"] = "particles.masses: expected none of 0"
    assert expected.get(what, {"step": "integrator"}.get(what, what)) in text


def test_methods_that_cannot_serve_ranks_say_why(found):
    assert "its boxes are made of all points together" in found["disagreements"]["tree"][0]
    assert "use direct" in found["disagreements"]["gram"][0]


def test_an_error_on_one_rank_is_measured_by_all_and_all_fall_back_together(found):
    texts = set(found["tolerance"]["named"])
    assert len(texts) == 1
    assert "reaches an error of" in texts.pop()
    assert found["tolerance"]["methods"] == [["simd", "nufft"]] * found["ranks"]
    assert max(found["tolerance"]["errors"]) <= 1e-13


def test_pairs_in_pieces_leave_out_own_terms(found):
    assert found["pieces"].keys() == {"False", "True"}
    assert max(found["pieces"].values()) <= 1e-13


def test_energies_are_those_of_one_process(found):
    energies = found["energies"]
    assert "real: expected at least 1 points on all ranks" in energies.pop("none")[0]
    assert energies.keys() == {"energy", "self", "interaction"}
    assert max(map(abs, energies.values())) <= 1e-14


def test_flows_take_the_steps_of_one_process(found):
    flows = found["flows"]
    integrators = ("Euler", "RungeKutta", "Adaptive", "Descent", "Langevin", "Verlet", "Yoshida")
    names = [f"{m} {i}" for m in ("generated", "both") for i in integrators]
    for name in names:
        difference, alone, over, reason, reason_over = flows[name]
        assert difference <= 1e-13, name
        assert (alone, reason) == (over, reason_over), name
        energies = flows[f"{name} energies"]
        assert all(each == energies[0] for each in energies), "the same on every rank"
        assert len(energies[0]) == over + 1


def test_flows_decide_by_the_particles_of_all_ranks(found):
    digests = found["parts_of_flows"]["digests"]
    assert digests.keys() == {"Adaptive", "heated", "own field"}
    for name, (digest,) in digests.items():
        assert KNOWN.setdefault(f"flow {name}", digest) == digest, name


@pytest.mark.parametrize("what", ["velocities", "field", "potential"])
def test_what_stops_a_flow_on_one_rank_stops_all_with_the_same_error(found, what):
    texts = found["parts_of_flows"]["errors"][what]
    assert len(set(texts)) == 1
    expected = "a first-order flow has no velocities" if what == "velocities" else "a place where no field is known"
    assert expected in texts[0]


def test_a_callback_of_one_rank_ends_the_run_of_all(found):
    assert found["flows"]["stopped"] == [[3, "callback"]] * found["ranks"]
