"""The registry of equations: complete, readable, and with verdicts that follow from the measurements."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

import validation.__main__ as command_line
from coulombfield.arrays import select_device
from coulombfield.calculus import directional_derivative
from validation import equations
from validation.context import Context
from validation.equations import command
from validation.equations.convergence import central_differences
from validation.equations.densities import GaussianMixture
from validation.equations.evidence import (
    Curve,
    Finding,
    Map,
    Measurement,
    Plot,
    Subject,
    Verdict,
    above,
    at_most,
    below,
    near,
    significantly_off,
    standard_errors,
)
from validation.equations.figures import draw, formula
from validation.equations.page import render
from validation.equations.registry import ROOT, Entry, resolve, source_of
from validation.equations.run import Result, run, select
from validation.equations.table import as_json, heading, row, summary, verdict_text

ENTRIES = equations.entries()
NUMBERED = {"iclr": 35, "arxiv": 36}


def passing(subject):
    return at_most("something", 0.0, 1.0, subject)


def failing(subject):
    return at_most("something", 2.0, 1.0, subject)


def entry(check, expected=Verdict.HOLDS, **others):
    settings = {
        "name": "an-entry",
        "title": "A title <of> its own",
        "statement": r"a = b",
        "plain": "a = b",
        "how": "By looking.",
        "code": ("coulombfield.potential",),
        "iclr": (14,),
        "arxiv": (24,),
    }
    return Entry(check=check, expected=expected, **(settings | others))


def holds(context):
    return Finding([passing(Subject.PRINTED)])


def breaks(context):
    raise ZeroDivisionError("no")


@pytest.mark.parametrize("version", NUMBERED)
def test_every_numbered_equation_of_both_versions_has_an_entry(version):
    numbers = {number for e in ENTRIES for number in getattr(e, version)}
    assert numbers == set(range(1, NUMBERED[version] + 1))


def test_names_are_unique():
    names = [e.name for e in ENTRIES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("e", ENTRIES, ids=lambda e: e.name)
def test_an_entry_s_code_exists_and_its_formula_renders(e):
    assert e.code
    for path in e.code:
        source = source_of(path)
        assert (ROOT / source.file).is_file()
        assert source.file.parts[0] in ("coulombfield", "nets", "experiments", "validation")
    assert b"<svg" in formula(e.statement)
    assert len(e.plain) <= 110
    assert e.expected is not Verdict.UNSETTLED


P, C, R, X = Subject.PRINTED, Subject.CONDITION, Subject.CORRECTED, Subject.COUNTEREXAMPLE


@pytest.mark.parametrize(
    ("passed", "failed", "verdict"),
    [
        ([P], [], Verdict.HOLDS),
        ([P, P], [], Verdict.HOLDS),
        ([P, C], [], Verdict.HOLDS),
        ([], [P], Verdict.UNSETTLED),
        ([P], [P], Verdict.UNSETTLED),
        ([C], [P], Verdict.HOLDS_IF),
        ([R], [P], Verdict.MISPRINT),
        ([X], [P], Verdict.FAILS),
        ([C, X], [P], Verdict.HOLDS_IF),
        ([P, X], [], Verdict.UNSETTLED),  # a counter-example to what passed
        ([], [P, C], Verdict.UNSETTLED),
        ([X], [P, X], Verdict.UNSETTLED),
        ([P], [C], Verdict.UNSETTLED),
        ([C], [], Verdict.UNSETTLED),  # nothing was said about the printed form
        ([], [], Verdict.UNSETTLED),
    ],
)
def test_the_verdict_follows_from_the_measurements(passed, failed, verdict):
    assert Finding([*map(passing, passed), *map(failing, failed)]).verdict is verdict


def test_the_headline_is_what_failed():
    first, second = passing(Subject.CONDITION), failing(Subject.PRINTED)
    assert Finding([first, second]).headline is second
    assert Finding([first, first]).headline is first


@pytest.mark.parametrize(
    ("make", "inside", "outside"),
    [
        (lambda value: at_most("x", value, 1.0), 1.0, 1.1),
        (lambda value: below("x", value, 1.0), 0.9, 1.0),
        (lambda value: above("x", value, 1.0), 1.1, 1.0),
        (lambda value: near("x", value, 2.0, 0.1), 2.05, 1.8),
    ],
)
def test_a_measurement_passes_inside_its_bound_and_never_with_nan(make, inside, outside):
    assert make(inside).passed
    assert not make(outside).passed
    assert not make(math.nan).passed


def test_standard_errors_tell_a_true_claim_from_a_false_one():
    samples = np.random.default_rng(0).normal(3.0, 1.0, 400)
    assert standard_errors("mean", samples, 3.0).passed
    assert not standard_errors("mean", samples, 3.5).passed
    assert significantly_off("mean", samples, 3.5).passed
    assert not significantly_off("mean", samples, 3.0).passed
    assert not standard_errors("mean", np.ones(4), 1.0).passed  # no spread, no evidence


def test_central_differences_see_a_right_and_a_wrong_derivative():
    x, v = np.asarray(0.7), np.asarray(1.0)
    right = central_differences(np.sin, np.cos(0.7), x, v)
    assert right.order == pytest.approx(2, abs=0.01)
    assert right.best < 1e-10
    second = central_differences(np.sin, -np.sin(0.7), x, v, derivative=2)
    assert second.order == pytest.approx(2, abs=0.01)
    assert second.best < 1e-7
    wrong = central_differences(np.sin, 1.01 * np.cos(0.7), x, v)
    assert abs(wrong.order) < 1
    assert wrong.best > 5e-3
    assert not all(m.passed for m in wrong.measurements("sine", 1e-8))
    assert all(m.passed for m in right.measurements("sine", 1e-8))


class TestGaussianMixture:
    """The oracle itself, against integrals that are done another way."""

    @pytest.mark.parametrize(("exponent", "softening"), [(1.0, 0.3), (3.0, 1.0), (0.5, 2.0)])
    def test_the_potential_in_the_middle_is_a_radial_integral(self, exponent, softening):
        from scipy import integrate

        mixture = GaussianMixture(np.array([2.0]), np.zeros((1, 3)), np.array([0.7]))

        def shell(r):
            density = math.exp(-r * r / (2 * 0.7**2)) / (2 * math.pi * 0.7**2) ** 1.5
            return 2.0 * 4 * math.pi * r * r * density * (r * r + softening**2) ** (-exponent / 2)

        exact = integrate.quad(shell, 0, 12, epsabs=0, epsrel=1e-13)[0]
        assert mixture.potential(np.zeros((1, 3)), exponent, softening)[0] == pytest.approx(exact, rel=1e-12)

    def test_a_narrow_density_is_a_point_charge(self):
        mixture = GaussianMixture(np.array([-1.5]), np.ones((1, 4)), np.array([1e-9]))
        point = np.array([[1.0, 3.0, 1.0, 1.0]])
        assert mixture.potential(point, 3.0, 0.5)[0] == pytest.approx(-1.5 * 4.25**-1.5, rel=1e-12)
        assert 2 * mixture.energy(3.0, 0.5) == pytest.approx(1.5**2 * 0.5**-3, rel=1e-8)

    def test_field_and_divergence_are_derivatives_of_the_potential(self):
        mixture = GaussianMixture(np.array([1.0, -0.4]), np.array([[0.0, 0, 0], [1, 0.5, 0]]), np.array([0.3, 1.2]))
        point, step, divergence = np.array([[0.2, 0.1, -0.4]]), 2.0**-14, 0.0
        for axis, unit in enumerate(np.eye(3)):
            slope = directional_derivative(lambda p: mixture.potential(p, 1.0, 0.5), point, unit, step)[0]
            assert mixture.field(point, 1.0, 0.5)[0, axis] == pytest.approx(-slope, rel=1e-6)
            divergence += directional_derivative(lambda p: mixture.field(p, 1.0, 0.5), point, unit, step)[0, axis]
        assert mixture.field_divergence(point, 1.0, 0.5)[0] == pytest.approx(divergence, rel=1e-6)

    def test_samples_have_the_density_s_mean_energy(self):
        mixture = GaussianMixture(np.array([0.3, 0.7]), np.array([[0.0, 0.0], [3.0, 1.0]]), np.array([0.5, 1.0]))
        rng = np.random.default_rng(1)
        a, b = mixture.sample(200_000, rng), mixture.sample(200_000, rng)
        values = 0.5 / np.sqrt(((a - b) ** 2).sum(axis=1) + 0.25)
        assert standard_errors("energy", values, mixture.energy(1.0, 0.5)).passed
        with pytest.raises(ValueError, match="weights"):
            (mixture - mixture).sample(1, rng)

    def test_the_density_integrates_to_its_charge(self):
        mixture = GaussianMixture(np.array([1.0, -0.4]), np.array([[0.5], [-1.0]]), np.array([0.5, 1.0]))
        x = np.linspace(-12, 12, 4001)
        assert np.trapezoid(mixture.density(x[:, None]), x) == pytest.approx(0.6, abs=1e-12)


class TestSelect:
    entries = (
        entry(holds),
        entry(holds, name="other", iclr=(30,), arxiv=(11, 12)),
        entry(holds, name="claim", iclr=(), arxiv=(), place="A.2"),
    )

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ([], ["an-entry", "other", "claim"]),
            (["14"], ["an-entry"]),
            (["v1:12"], ["other"]),
            (["claim", "14", "14"], ["an-entry", "claim"]),
        ],
    )
    def test_numbers_and_names(self, wanted, names):
        assert [e.name for e in select(self.entries, wanted)] == names

    @pytest.mark.parametrize("text", ["24", "v1:14", "v2:14", "", "claims", "-14"])
    def test_what_means_nothing_is_named(self, text):
        with pytest.raises(ValueError, match=f"no equation '{text}'"):
            select(self.entries, ["14", text])


def test_a_check_that_raises_is_unsettled_and_hides_no_other():
    seen = []
    results = run([entry(breaks), entry(holds)], None, seen.append)
    assert [r.verdict for r in results] == [Verdict.UNSETTLED, Verdict.HOLDS]
    assert seen == results
    assert "ZeroDivisionError: no" in row(results[0])
    assert not results[0].as_expected


def test_a_verdict_that_was_not_expected_says_so():
    found = Result(entry(holds, Verdict.FAILS, truth="x = 3"), holds(None), "", 0.1)
    assert verdict_text(found) == "UNEXPECTED (fails was expected): holds"
    broken = Result(entry(holds), Finding([failing(Subject.PRINTED), passing(Subject.CONDITION)]), "", 0.1)
    assert verdict_text(broken).startswith("UNEXPECTED (holds was expected)")
    assert "an-entry" in summary([broken])


def test_the_table_has_a_line_for_each_statement_and_one_for_each_measurement_on_request():
    result = Result(entry(holds), holds(None), "", 0.1)
    assert heading().splitlines()[0].split() == ["ICLR", "[arXiv]", "statement", "measured", "bound", "verdict"]
    assert row(result).startswith("Eq 14 [24]")
    assert "as printed: something" in row(result, verbose=True)
    assert "as printed" not in row(result)


@pytest.mark.parametrize(
    "settings",
    [{"iclr": (), "arxiv": ()}, {"truth": "but it holds"}, {"expected": Verdict.FAILS}],
    ids=["no number", "truth of what holds", "no truth"],
)
def test_an_entry_without_what_the_table_needs_is_refused(settings):
    with pytest.raises(ValueError, match="an-entry"):
        entry(holds, **settings)


def test_code_that_is_gone_is_an_error():
    assert resolve("coulombfield.sums.potential") is resolve("coulombfield.potential")
    with pytest.raises(LookupError, match=r"coulombfield\.potentials"):
        resolve("coulombfield.potentials")


@pytest.fixture
def registry(monkeypatch):
    def use(*chosen):
        monkeypatch.setattr(command, "entries", lambda: list(chosen))

    return use


def test_the_exit_code_is_0_only_if_every_verdict_is_the_expected_one(registry, capsys):
    registry(entry(holds))
    assert command_line.main(["equations"]) == 0
    assert "1 statements" in capsys.readouterr().out
    registry(entry(holds), entry(breaks, name="broken"))
    assert command_line.main(["equations"]) == 1
    assert "NOT AS EXPECTED: broken" in capsys.readouterr().out
    assert command_line.main(["equations", "--only", "99"]) == 2
    assert "99" in capsys.readouterr().err


def test_json_and_page_hold_what_was_found(registry, capsys, tmp_path):
    plot = Plot("error", "Error <1>", "Falls.", "step", "error", [Curve("one", [1, 2], [3, 4])], log_x=True)
    regions = Map([1, 2], [1, 2], [[0, 1], [1, 1]], ("yes", "no"))

    def check(context):
        nan = Measurement("a gap", math.nan, "<= 1", False)
        return Finding([nan, passing(Subject.CORRECTED)], [plot, Plot("map", "Map", "", "d", "m", regions=regions)])

    registry(entry(check, Verdict.MISPRINT, truth="a < b"))
    page, file = tmp_path / "page.html", tmp_path / "results.json"
    assert command_line.main(["equations", "--html", str(page), "--json", str(file)]) == 0
    (found,) = json.loads(file.read_text())
    assert found["verdict"] == "misprint"
    assert found["measurements"][0]["value"] is None
    text = page.read_text()
    assert "misprint; right is a &lt; b" in text
    assert "A title &lt;of&gt; its own" in text
    assert text.count("data:image/png") == 2
    assert text.count("data:image/svg+xml") == 1
    assert "coulombfield/sums/__init__.py" in text
    assert "http" not in text.replace("http://www.w3.org", "")  # opens without a network


@pytest.mark.parametrize("missing", ["mpmath", "matplotlib"])
def test_a_package_that_is_missing_is_named_before_any_check_runs(missing, tmp_path):
    hide = f"import sys; sys.modules[{missing!r}] = None; import validation.__main__ as m; sys.exit(m.main())"
    page = tmp_path / "page.html"
    command = [sys.executable, "-c", hide, "equations", "--only", "14", "--html", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert missing in done.stderr
    assert ".[experiments,test]" in done.stderr
    assert not done.stdout
    assert not page.exists()


def test_pictures_are_the_same_bytes_again():
    plot = Plot("error", "Error", "", "step", "error", [Curve("one", [1, 2], [3, 4])])
    assert draw(plot) == draw(plot)
    assert formula("a = b") == formula("a = b")
    with pytest.raises(ValueError, match="nosuchcommand"):
        formula(r"\nosuchcommand")


def test_a_page_links_to_the_code_from_where_it_lies(tmp_path):
    result = Result(entry(holds), holds(None), "", 0.1)
    inside = render([result], {}, ROOT / "out" / "page.html")
    assert 'href="../coulombfield/sums/__init__.py#L' in inside


def test_numbers_that_json_lacks_become_null():
    result = Result(entry(holds), Finding([Measurement("x", math.inf, "", False)]), "", 0.1)
    assert as_json(result)["measurements"][0]["value"] is None


def test_checks_come_to_their_verdicts_on_cupy():
    try:
        device = select_device("cuda")
    except RuntimeError as error:
        pytest.skip(str(error))
    # Of all that there are, some whose sums are few: a stand-in for the GPU takes its time.
    few = select(ENTRIES, ["5", "8", "9", "27", "30", "33"])
    results = run(few, Context(device, quick=True), lambda result: None)
    assert not [f"{r.entry.name}: {verdict_text(r)}" for r in results if not r.as_expected]
