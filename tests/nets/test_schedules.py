"""Schedules: their ends, their course and their errors."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets.schedules import Constant, Exponential, Step

positive = st.floats(1e-6, 1e6)
ULPS = 1 + 1e-13  # exp and log of numbers up to 28 leave some tens of roundings


@given(start=positive, end=positive, steps=st.integers(1, 10**6), after=st.integers(0, 10))
def test_exponential_starts_and_ends_exactly(start, end, steps, after):
    schedule = Exponential(start, end, steps)
    assert schedule(0) == start
    assert schedule(steps + after) == end


@given(start=positive, end=positive, steps=st.integers(2, 10**6), data=st.data())
def test_exponential_is_monotone_and_multiplies_by_the_same_factor_each_step(start, end, steps, data):
    step = data.draw(st.integers(0, steps - 1))
    schedule = Exponential(start, end, steps)
    low, high = sorted((start, end))
    assert low / ULPS <= schedule(step) <= high * ULPS
    ratio = schedule(step + 1) / schedule(step)
    assert ratio == pytest.approx((end / start) ** (1 / steps), rel=1e-12)


@given(start=positive, factor=st.floats(0.01, 1), milestones=st.sets(st.integers(1, 100), max_size=5))
def test_step_multiplies_at_each_milestone(start, factor, milestones):
    schedule = Step(start, factor, tuple(milestones))
    assert schedule(0) == start
    for step in range(1, 101):
        drop = factor if step in milestones else 1
        assert schedule(step) == pytest.approx(schedule(step - 1) * drop, rel=1e-14)


@given(value=positive, step=st.integers(0, 10**7))
def test_constant_stays(value, step):
    assert Constant(value)(step) == value


BAD = (0, -1.0, math.nan, math.inf)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["start", "end", "steps"])
def test_exponential_names_a_bad_argument(name, bad):
    with pytest.raises(ValueError, match=f"{name}: expected a positive finite number, got {bad}"):
        Exponential(**{"start": 1.0, "end": 0.1, "steps": 10, name: bad})


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["start", "factor"])
def test_step_names_a_bad_argument(name, bad):
    with pytest.raises(ValueError, match=f"{name}: expected a positive finite number, got {bad}"):
        Step(**{"start": 1.0, "factor": 0.1, "milestones": (5,), name: bad})
