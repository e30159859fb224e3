"""The reference has every public name with an example, and all examples of docs/ do what they show."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.rst") if ">>>" in page.read_text(encoding="utf-8"))
PUBLIC = (
    "coulombfield",
    "coulombfield.diagnostics",
    "coulombfield.flow",
    "coulombfield.periodic",
    "coulombfield.starts",
    "coulombfield.out_of_core",
    "coulombfield.parallel",
    "coulombfield.trajectory",
    "nets.architectures",
    "nets.inference",
)
ENTRY = re.compile(r"^\.\. auto(class|data|function):: (\S+)\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_do_what_they_show(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with np.printoptions(legacy=False):
        result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_an_entry_with_an_example(module):
    page = (DOCS / "reference" / f"{module.removeprefix('coulombfield.').removeprefix('nets.')}.rst").read_text("utf-8")
    entries = {name: (kind, body) for kind, name, body in ENTRY.findall(page)}
    public = importlib.import_module(module)
    missing = [name for name in public.__all__ if ">>>" not in entries.get(name, ("", ""))[1]]
    assert not missing, f"docs/reference: expected an entry with an example for each of {missing}"
    for name, (kind, body) in entries.items():
        value = getattr(public, name)
        expected = "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"
        assert kind == expected, name
        assert name in body.split(">>>", 1)[1] or kind == "class", f"{name}: its example does not use it"
