"""The breaks of ``mutations.py`` fit the code as it stands; running them takes minutes and is CI's."""

import ast

import pytest
from mutations import MUTATIONS, Mutation, broken

from validation.equations import entries
from validation.equations.run import select


def test_there_are_enough_and_no_two_are_the_same():
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS) >= 12
    assert len({(m.file, m.old, m.new) for m in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_a_break_fits_the_code_and_the_command_exists(mutation):
    ast.parse(broken(mutation))
    name, _, only = mutation.command.partition(" --only ")
    assert name in ("equations", "gradients")
    if name == "equations":
        assert select(entries(), only.split(","))


def test_a_break_that_no_longer_fits_is_an_error():
    with pytest.raises(ValueError, match="found it 0 times"):
        broken(Mutation("gone", "coulombfield/profiles.py", "no such text", "", "equations --only 14"))
