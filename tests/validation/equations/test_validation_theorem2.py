"""The chapter on Theorem 2: its verdicts in a quick run, and that wrong formulas of the package change them."""

import pytest

import coulombfield as cf
from validation.context import Context
from validation.equations.registry import resolve
from validation.equations.theorem2 import collapse as theorem2_collapse
from validation.equations.theorem2 import entries as theorem2
from validation.equations.theorem2 import generator as theorem2_generator
from validation.equations.theorem2 import nash as theorem2_nash

ENTRIES = {entry.name: entry for entry in theorem2.ENTRIES}
QUICK = Context(quick=True)


def scaled(name, factor):
    """A function of ``coulombfield`` with a wrong factor on its result."""
    function = getattr(cf, name)
    return lambda *args, **kwargs: factor * function(*args, **kwargs)


@pytest.mark.parametrize("name", sorted(set(ENTRIES) - {"free-particles"}))  # that one takes as long as the others
def test_a_quick_run_comes_to_the_verdict_of_the_registry(name):
    finding = ENTRIES[name].check(QUICK)
    assert finding.verdict is ENTRIES[name].expected, [m for m in finding.measurements if not m.passed]
    for path in ENTRIES[name].code:
        assert callable(resolve(path))


@pytest.mark.parametrize(
    ("name", "function", "factor"),
    [
        ("energy-split", "potential", 2.0),
        ("energy-split", "electrostatic_energy", 0.5),
        ("forces-remain", "field_jvp", -1.0),
        ("forces-remain", "energy_gradient", 0.0),
        ("forces-remain", "interaction_energy", 2.0),
        ("theorem-2", "field_jvp", -1.0),
        ("conventional-discriminator", "field", -1.0),
        ("coulomb-crosses", "field", -1.0),
        ("discriminator-sign", "potential", -1.0),
    ],
)
def test_a_wrong_factor_in_the_package_changes_the_verdict(monkeypatch, name, function, factor):
    monkeypatch.setattr(cf, function, scaled(function, factor))
    assert ENTRIES[name].check(QUICK).verdict is not ENTRIES[name].expected


def test_a_wrong_loss_changes_the_verdicts_that_rest_on_it(monkeypatch):
    regression, generator = theorem2_nash.potential_regression, theorem2_generator.generator_potential

    def blind(values, potential, generated):
        return regression(values, 0.5 * potential, generated)

    def doubled(values):
        value, gradient = generator(values)
        return value, 2 * gradient

    monkeypatch.setattr(theorem2_nash, "potential_regression", blind)
    monkeypatch.setattr(theorem2_collapse, "potential_regression", blind)
    monkeypatch.setattr(theorem2_generator, "generator_potential", doubled)
    for name in ("nash-definition", "generator-energy", "conventional-discriminator"):
        assert ENTRIES[name].check(QUICK).verdict is not ENTRIES[name].expected
