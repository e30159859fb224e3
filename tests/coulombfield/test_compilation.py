"""Compiled loops are kept: what was compiled ahead is not compiled again, and who waits for long is told once."""

import logging
import os
import subprocess
import sys

import pytest

from coulombfield import compilation
from coulombfield.__main__ import cache_folder, cases, main
from experiments.runs import progress

SUM = """
import numpy as np, coulombfield as cf
from coulombfield.compilation import compilations
points = np.random.default_rng(0).standard_normal((40, 2)).astype("float32")
cf.potential(points, cf.Charges(points, points[:, 0].copy()), cf.Plummer(1.0, 1.0), method="simd")
print(compilations.count)
"""


def run(folder, *arguments):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_what_is_compiled_ahead_is_not_compiled_again(tmp_path):
    program = "import sys, coulombfield.__main__ as m; m.DIMENSIONS = {'simd': (2,)}; m.KERNELS = m.POWERS; "
    done = run(tmp_path, "-c", program + "sys.exit(m.main(['warm', '--only', 'simd', '--dtype', 'float32']))")
    assert str(tmp_path) in done.stdout
    assert "simd  float32, m = 2: Plummer(1, ε)" in done.stdout
    assert not done.stderr
    again = run(tmp_path, "-c", SUM)
    assert again.stdout.strip() == "0"
    assert not again.stderr


def test_engines_and_dtypes_are_chosen():
    assert {case[:2] for case in cases(["tree"], ["float64"])} == {("tree", "float64")}
    assert {case.dimension for case in cases(["tree", "split"], ["float32"])} == {1, 2, 3}


def test_a_cache_that_can_not_be_written_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(logging.getLogger("coulombfield"), "level", logging.NOTSET)
    with pytest.raises(OSError, match="NUMBA_CACHE_DIR: expected a folder"):
        cache_folder()
    assert main(["warm", "--only", "gram"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class Event:
    def __init__(self, dispatcher):
        self.data = {"dispatcher": dispatcher}


def compile_for(watched, seconds, monkeypatch, dispatchers):
    clock = iter((0.0, seconds))
    monkeypatch.setattr(compilation.time, "perf_counter", lambda: next(clock))
    for dispatcher in dispatchers:
        watched.on_start(Event(dispatcher))
        watched.on_end(Event(dispatcher))


def test_who_waits_for_long_is_told_once(monkeypatch, caplog):
    watched = compilation.Compilations()
    watched.watch("ours")
    with caplog.at_level("WARNING", "coulombfield"):
        compile_for(watched, 1.5, monkeypatch, ["ours"])
        assert not caplog.records
        for _ in range(3):
            compile_for(watched, 1.5, monkeypatch, ["ours"])
        compile_for(watched, 9.0, monkeypatch, ["another's"])
    assert [record.name for record in caplog.records] == ["coulombfield"]
    assert "python -m coulombfield warm" in caplog.text
    assert watched.count == 4
    assert watched.seconds == 6.0


def test_a_bar_is_written_anew_below_what_is_logged(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = progress.Progress(10, 0)
    progress.LOGGER.warning("compiling")
    bar.close()
    assert "\ncompiling\n" in capsys.readouterr().err.replace("\r", "\n").replace("\x1b[A", "")
    assert not progress.LOGGER.handlers


CALLER, CALLED, CONSTANTS = (
    "from coulombfield.arrays import jit\n\nfrom own import called\n"
    "from .constants import (\n    FACTOR,  # of all\n)\n\n"
    "@jit\ndef value(x):\n    return FACTOR * called.inner(x)\n",
    "from coulombfield.arrays import jit\n\n@jit\ndef inner(x):\n    return x + 1\n",
    "FACTOR = 1\n",
)
VALUE = (
    "from own import caller; from coulombfield.compilation import compilations; "
    "print(caller.value(1), compilations.count)"
)


LOOP, FORMULA = (
    "import numpy as np\nfrom coulombfield.arrays import jit\nfrom coulombfield.profiles import value_at\n"
    "from coulombfield.sums.pairs import tiles\n\n"
    "@jit\ndef value(profile):\n    return value_at(profile, np, 3.0)\n",
    "from typing import NamedTuple\n\n\nclass Line(NamedTuple):\n    factor: float\n\n"
    "    def value(self, xp, s):\n        return self.factor * s\n",
)
OF_FORMULA = (
    "from own.loop import value; from own.formula import Line; from coulombfield.compilation import compilations; "
    "print(int(value(Line(2.0))), compilations.count)"
)


def written(folder, **texts):
    """A package of that name and its files."""
    own = folder / "own"
    own.mkdir()
    for name, text in (texts | {"__init__": ""}).items():
        (own / f"{name}.py").write_text(text)
    return own


def numbers_of(folder, program):
    """What a program of the package prints, with a cache of its own."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


@pytest.mark.slow
def test_an_edit_of_a_formula_that_comes_as_an_argument_is_seen(tmp_path):
    """Its file is one that the loop's own doesn't import, as a new kernel's."""
    own = written(tmp_path, loop=LOOP, formula=FORMULA)
    assert numbers_of(tmp_path, OF_FORMULA) == (6, 1)
    assert numbers_of(tmp_path, OF_FORMULA) == (6, 0)
    (own / "formula.py").write_text(FORMULA.replace("self.factor * s", "self.factor + s"))
    assert numbers_of(tmp_path, OF_FORMULA) == (5, 1)
    assert numbers_of(tmp_path, OF_FORMULA) == (5, 0)


@pytest.mark.slow
def test_an_edit_in_a_file_that_is_called_is_seen(tmp_path):
    """Also one of a constant; without any, nothing is compiled anew, and what an edit has replaced is not kept."""
    own = written(tmp_path, caller=CALLER, called=CALLED, constants=CONSTANTS)
    assert numbers_of(tmp_path, VALUE) == (2, 2)
    assert numbers_of(tmp_path, VALUE) == (2, 0)
    (own / "called.py").write_text(CALLED.replace("x + 1", "x + 2"))
    assert numbers_of(tmp_path, VALUE) == (3, 2)
    (own / "constants.py").write_text("FACTOR = 5\n")
    assert numbers_of(tmp_path, VALUE) == (15, 1)  # the inner function is as it was
    assert numbers_of(tmp_path, VALUE) == (15, 0)
    kept = [path.name for path in (tmp_path / "cache").rglob("*.nbc")]
    assert len(kept) == len({name.partition("-")[0] for name in kept}) == 2
