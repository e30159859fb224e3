"""``python -m validation gpu``: one part that fails, hangs or crashes is told, and the rest goes on."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from validation.__main__ import main, speed_benchmarks
from validation.gpu import command, running
from validation.gpu.parts import MINUTES, PARTS, QUICK_TESTS, RESULTS, TESTS, Part
from validation.gpu.running import ROOT, read, run

FACTS = {"card": "A <Card>", "memory": "8 GB"}
WRITES = "import sys, json, time, os; json.dump({rows}, open(sys.argv[1], 'w')); print('done', 7); {then}"


def part(name, rows="[{'name': 'a', 'note': ''}]", then="pass", kind="speed"):
    """A part whose program writes rows, and does something else then."""
    code = WRITES.format(rows=rows, then=then)
    return Part(name, kind, (), ("-c", code, RESULTS), ("-c", code, RESULTS), MINUTES)


@pytest.fixture
def programs(monkeypatch):
    """Parts as they are given, without the ``-m`` of modules, on a card that says what it is."""
    monkeypatch.setattr(Part, "command", lambda self, results, quick: [*self.whole[:-1], results])
    monkeypatch.setattr(command, "facts_of_card", lambda: FACTS)

    def use(*parts):
        monkeypatch.setattr(command, "PARTS", parts)

    return use


def report(folder, code, *arguments):
    assert main(["gpu", "--out", str(folder), *arguments]) == code
    return json.loads((folder / "gpu.json").read_text()), (folder / "gpu.html").read_text()


def test_every_part_is_told_and_what_fails_stops_nothing(tmp_path, capsys, programs):
    spin = "print('was here', flush=True); time.sleep(60)"
    programs(
        part("good"),
        part("noted", rows="[{'engine': 'simd', 'note': 'odd; failed: ValueError: <b>'}]"),
        part("bits", rows="[{'name': 'b', 'note': 'DIFFERENT BITS'}]"),
        part("crashes", then="os.abort()"),
        part("raises", rows="[]", then="raise ValueError('too small')"),
        part("empty", rows="[]"),
        part("slow", then=spin)._replace(minutes=2 / 60),
        part("partial", then="print('drift: not on this device')"),
    )
    start = time.monotonic()
    names = "good,noted,bits,crashes,raises,empty,slow,partial"
    # The names of the real parts are those that --only takes.
    found = command.main(quick=True, out=tmp_path / "new", only=names.split(","), minutes=MINUTES)
    assert time.monotonic() - start < 50
    assert found == 1
    written = json.loads((tmp_path / "new" / "gpu.json").read_text())
    verdicts = {each["name"]: each["verdict"] for each in written["parts"]}
    assert verdicts == {
        "good": "ok",
        "noted": "FAILED",
        "bits": "FAILED",
        "crashes": "crashed (SIGABRT)",
        "raises": "FAILED (exit code 1)",
        "empty": "FAILED (nothing was found)",
        "slow": "ended after 2 s",
        "partial": "ok",
    }
    failures = {each["name"]: each["failures"] for each in written["parts"]}
    assert failures["noted"] == [{"what": "simd", "last_lines": "odd; failed: ValueError: <b>"}]
    assert failures["raises"][0]["last_lines"].endswith("ValueError: too small")
    assert "was here" in failures["slow"][0]["last_lines"]
    assert written["parts"][-1]["left_out"] == ["drift: not on this device"]
    page = (tmp_path / "new" / "gpu.html").read_text()
    assert "A &lt;Card&gt;" in page
    assert "ValueError: &lt;b&gt;" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in names.split(","))
    assert "ValueError: too small" in printed


def test_the_exit_status_is_0_only_if_nothing_failed(tmp_path, programs, capsys):
    programs(part("card"), part("sums"))
    written, page = report(tmp_path, 0)
    assert written["card"] == FACTS
    assert [each["passed"] for each in written["parts"]] == [True, True]
    assert written["environment"]["versions"]["numpy"] in page
    written, _ = report(tmp_path, 0, "--only", "sums")
    assert [each["name"] for each in written["parts"]] == ["sums"]


def test_an_interrupt_leaves_what_there_is(tmp_path, programs, monkeypatch, capsys):
    programs(part("card"), part("sums"))
    original = command.run

    def interrupted(each, *arguments, **options):
        if each.name == "sums":
            raise KeyboardInterrupt
        return original(each, *arguments, **options)

    monkeypatch.setattr(command, "run", interrupted)
    written, _ = report(tmp_path, 1, "--only", "card,sums")
    assert [each["name"] for each in written["parts"]] == ["card"]


def test_a_program_that_is_too_slow_takes_its_children_along(tmp_path, programs):
    pids = tmp_path / "pid"
    child = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    slow = part("slow", then=f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}])")
    outcome = run(slow, tmp_path, 3.0, quick=False)
    assert outcome.verdict == "ended after 3 s"
    for _ in range(100):
        if not Path(f"/proc/{pids.read_text()}").exists() or "zombie" in _state(pids.read_text()):
            break
        time.sleep(0.1)
    else:
        pytest.fail("its child is still there")


def _state(pid):
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "zombie"


def test_without_a_gpu_there_is_one_line_with_the_reason(tmp_path, capsys):
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed")
    assert main(["gpu", "--out", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: device: cuda was asked for, but CuPy is not installed")
    assert error.count("\n") == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "sums,nothing"], "--only: unknown 'nothing'; expected some of card, tests, gradients, sums"),
        (["--minutes", "0"], "--minutes: expected a positive number, got 0"),
    ],
)
def test_bad_options_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(["gpu", *arguments])
    assert exit_code.value.code == 2
    assert message in capsys.readouterr().err


def test_tests_are_read_line_by_line_as_far_as_they_came(tmp_path):
    file = tmp_path / "lines.json"
    lines = [
        {"node": "a", "outcome": "begun"},
        {"node": "a", "outcome": "passed", "seconds": 1.0, "text": ""},
        {"node": "b", "outcome": "begun"},
        {"node": "b", "outcome": "failed", "seconds": 1.0, "text": "\n".join(map(str, range(50)))},
        {"node": "c", "outcome": "begun"},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows, failures, told = read("tests", file)
    assert [row["outcome"] for row in rows] == ["passed", "failed"]
    assert told == "1 passed, 2 failed, 0 skipped"
    assert failures[0].last_lines == "\n".join(map(str, range(50 - running.LAST_LINES, 50)))
    assert failures[1].what == "c: begun, and never ended"


def test_gradients_that_are_wrong_or_in_no_row_are_failures(tmp_path):
    file = tmp_path / "rows.json"
    wrong = {"quantity": "q", "covers": [], "passed": False, "worst_case": "N = 3", "raised": ""}
    file.write_text(json.dumps({"rows": [wrong, {**wrong, "quantity": "p", "passed": True}], "missing": ["f"]}))
    rows, failures, told = read("gradients", file)
    assert told == "1 of 2 rows"
    assert failures == [("q", "N = 3"), ("f", "in no row")]
    assert "covers" not in rows[0]


def test_the_reporter_writes_each_outcome(tmp_path):
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
        "@pytest.fixture\ndef broken(): raise ValueError('no')\n"
        "def test_error(broken): pass\n"
    )
    (tmp_path / "test_unreadable.py").write_text("import no_such_module\n")
    file = tmp_path / "lines"
    options = ["-p", "validation.gpu.reporter", "--outcomes", str(file), "--continue-on-collection-errors"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path), *options],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    rows, failures, told = read("tests", file)
    assert told == "1 passed, 3 failed, 1 skipped"
    assert any("assert 1 == 2" in failure.last_lines for failure in failures)
    assert {row["node"].rpartition("::")[2] for row in rows if row["outcome"] == "passed"} == {"test_good"}


@pytest.mark.parametrize("node", sorted({*TESTS, *QUICK_TESTS}))
def test_a_test_that_matters_is_there_and_has_cases_on_cupy(node):
    path, _, name = node.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    functions = {each.name: each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)}
    tests = [each for each in functions.values() if each.name.startswith("test_")]
    chosen = [functions[name]] if name else tests
    fixtures = {"library", "engine", "device"}
    assert any("cupy" in each.name or fixtures & {a.arg for a in each.args.args} for each in chosen)


def test_parts_fit_into_the_time_and_name_what_there_is():
    assert sum(part.minutes for part in PARTS) == MINUTES
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert {part.name for part in PARTS if part.kind == "speed"} <= set(speed_benchmarks())
    for each in PARTS:
        for quick in (False, True):
            words = each.command("FILE", quick=quick)
            assert words.count("FILE") == 1
            assert RESULTS not in words


@pytest.mark.skipif(not importlib.util.find_spec("cpucupy"), reason="needs the stand-in for a GPU")
def test_the_whole_command_runs_on_the_stand_in_cupy(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import cpucupy\n")
    ignored = ("unclosed:ResourceWarning", ":pytest.PytestAssertRewriteWarning")  # of the stand-in's files and import
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "PYTEST_ADDOPTS": " ".join(f"-W ignore:{each}" for each in ignored),
    }
    out = tmp_path / "report"
    done = subprocess.run(
        [sys.executable, "-m", "validation", "gpu", "--quick", "--minutes", "60", "--out", str(out)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((out / "gpu.json").read_text())
    parts = {each["name"]: each for each in written["parts"]}
    assert list(parts) == [part.name for part in PARTS]
    assert written["card"]["card"] == "CPU stand-in"
    ran = {row["node"].partition("[")[0] for row in parts["tests"]["rows"] if row["outcome"] == "passed"}
    assert ran == set(QUICK_TESTS)
    of_device = [row for each in parts.values() for row in each["rows"] if "device" in row]
    assert len(of_device) > 20
    assert all(row["device"] == "cuda:0" for row in of_device)
    for name in ("sums", "networks", "mixture"):
        shares = [row["share_of_rate"] for row in parts[name]["rows"] if row.get("counted") and row["share_of_rate"]]
        assert shares, name
        assert min(shares) > 0
    assert parts["flows"]["left_out"] == ["stars and the drift of the energy: not on this device"]
    page = (out / "gpu.html").read_text()
    assert all(f"<h2>{name}: ok</h2>" in page for name in parts)
