"""The campaign on rtol: a seeded part of it, with few points and plain array code where engines would compile."""

import itertools
import json

import numpy as np
import pytest

from coulombfield.sums import direct, selection
from coulombfield.sums.ewald import split
from coulombfield.sums.fourier import nufft
from coulombfield.sums.tree import tree
from validation.__main__ import main
from validation.promises import cases

RUNS = 30


@pytest.fixture
def few(monkeypatch):
    """Few points, for which the fast engines are to work all the same."""
    monkeypatch.setattr(cases, "COUNTS", ((150, 300), (60, 400), (400, 60), (250, 250)))
    monkeypatch.setattr(cases, "EXPONENTS", (1.5,))
    monkeypatch.setattr(cases, "simd", direct)
    monkeypatch.setattr(nufft, "SMALL", -1)
    monkeypatch.setattr(split, "SMALL", -1)
    monkeypatch.setattr(tree, "DIRECT_PAIRS", -1)
    for name, engine in selection.EXACT.items():
        monkeypatch.setattr(engine, "seconds", lambda request, name=name: 1e3 if name == "direct" else 2e3)


def compiled(case):
    """Whether the case needs loops that other tests compile too, or none."""
    dimension, dtype = case.targets.shape[1], case.targets.dtype
    if case.output == "laplacian":
        return case.method == "nufft"
    return {"nufft": True, "tree": dimension == 2, "split": (dimension, dtype) in [(2, "f8"), (3, "f4")]}[case.method]


def test_no_promise_is_broken(few):
    outcomes = [cases.run(case) for case in itertools.islice(filter(compiled, map(draw, itertools.count())), RUNS)]
    broken = [f"{outcome.case.label}: {outcome.error}" for outcome in outcomes if not outcome.kept]
    assert not broken
    assert sum(outcome.error is not None for outcome in outcomes) > RUNS / 2


def draw(number):
    return cases.draw(1, number)


def test_the_command_counts_and_fails_where_a_promise_is_broken(few, monkeypatch, capsys, tmp_path):
    def run(case):
        return cases.Outcome(case, (0.5 if case.method == "nufft" else 2.0) * case.rtol)

    monkeypatch.setattr("validation.promises.command.run", run)
    file = tmp_path / "counts.json"
    assert main(["promises", "--runs", "3", "--json", str(file)]) == 1
    out = capsys.readouterr().out
    assert "BROKEN 1: split" in out
    assert "3 runs, 2 promises broken; of those kept the largest error was 0.50 rtol" in out
    assert json.loads(file.read_text())["counts"]["nufft"] == {"kept": 1}
    assert len(json.loads(file.read_text())["broken"]) == 2


def test_errors_are_measured_at_every_target(few):
    case = next(case for case in map(draw, itertools.count()) if case.output == "potential" and not case.exclude_self)
    request = cases.Request(
        case.targets, case.charges.positions, case.charges.weights, case.kernel.profile, False, True, False
    ).in_double()
    exact = direct.evaluate(request).potential
    size = np.linalg.norm(direct.evaluate(request._replace(weights=np.abs(request.weights))).potential)
    off = exact.copy()
    off[17] += 1e-3 * size
    assert cases._errors(case, (exact,))[0] < 1e-14
    assert cases._errors(case, (off,))[0] == pytest.approx(1e-3)
