"""A plugin of pytest: each test's outcome as a line of JSON, at once, so that a crash loses none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

OPTION = "--outcomes"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The file for them."""
    parser.addoption(OPTION, type=Path, required=True, metavar="FILE", help="write outcomes to FILE, line by line")


def pytest_configure(config: pytest.Config) -> None:
    """Write to it from now on."""
    config.pluginmanager.register(_Outcomes(config.getoption(OPTION)))


class _Outcomes:
    def __init__(self, file: Path):
        self._file = file
        file.write_text("")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write(node=nodeid, outcome="begun")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:  # a fixture that fails or skips has no call
            text = report.longreprtext if report.failed else ""
            self._write(node=report.nodeid, outcome=report.outcome, seconds=report.duration, text=text)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(node=report.nodeid, outcome="failed", seconds=0.0, text=report.longreprtext)

    def _write(self, **line: Any) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
