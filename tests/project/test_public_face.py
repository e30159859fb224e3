"""What says which version this is says the same, and what CONTRIBUTING and the hosted checks name is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_changelog_dates_the_version_that_is_cited():
    changes = text_of("CHANGELOG.md")
    version, date = re.findall(r"^## \[(\d[^]]*)\] - (\d{4}-\d{2}-\d{2})$", changes, re.MULTILINE)[0]
    citation = text_of("CITATION.cff")
    assert version == METADATA["version"]
    assert f"\nversion: {version}\n" in citation
    assert f"\ndate-released: {date}\n" in citation
    assert f"\n[{version}]: " in changes, "its link"


def test_the_pythons_that_are_promised_are_tested():
    promised = {line.rpartition(" ")[2] for line in METADATA["classifiers"] if re.search(r":: 3\.\d+$", line)}
    matrices = re.findall(r"python: (\[.*\])", text_of(".github/workflows/checks.yml"))
    assert len(matrices) == 2, "newest and oldest dependencies"
    for matrix in matrices:
        assert set(re.findall(r"3\.\d+", matrix)) == promised
    assert METADATA["requires-python"] == f">={min(promised, key=lambda one: int(one[2:]))}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/extending.rst"])
def test_files_that_a_page_names_are_there(page):
    words = re.findall(r"`+([\w./*-]+/[\w./*-]*|\.ci/\w+)`+|\]\((?!http)([^)#]+)\)", text_of(page))
    names = [word or link for word, link in words]
    there = ("coulombfield/", "nets/", "experiments/", "validation/", "tests/", "docs/", ".ci/", ".github/")
    ours = [name for name in names if name.startswith(there) or name.endswith(".md")]
    assert ours
    missing = [name for name in ours if "NAME" not in name and not any(ROOT.glob(name.rstrip("/")))]
    assert not missing
