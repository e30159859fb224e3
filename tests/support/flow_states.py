"""States of flows: compared to the last bit, and saved as a file would save them."""

import json

import numpy as np

from coulombfield.arrays import to_numpy
from coulombfield.flow import Group, State


def same(a, b):
    """Whether two states agree to the last bit."""
    if list(a.groups) != list(b.groups):
        return False
    for name in a.groups:
        for part in ("positions", "velocities", "charges", "masses"):
            left, right = getattr(a[name], part), getattr(b[name], part)
            if (left is None) != (right is None) or a[name].fixed != b[name].fixed:
                return False
            if left is not None and (
                left.dtype != right.dtype or to_numpy(left).tobytes() != to_numpy(right).tobytes()
            ):
                return False
    numbers = [(s.step, s.time, s.softening, dict(s.memory)) for s in (a, b)]
    return numbers[0] == numbers[1]


def saved(state):
    """The state by way of plain arrays and JSON, as a file would hold it."""
    groups = {
        name: Group(
            *(None if x is None else np.array(x) for x in (group.positions, group.velocities, group.charges)),
            masses=np.array(group.masses),
            fixed=group.fixed,
        )
        for name, group in state.groups.items()
    }
    numbers = {"step": state.step, "time": state.time, "softening": state.softening, "memory": dict(state.memory)}
    return State(groups, **json.loads(json.dumps(numbers)))
