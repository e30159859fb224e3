from __future__ import annotations

import base64
import html.parser
import json
import re

import pytest

from experiments import config
from experiments.figures.style import Figure
from experiments.metrics.metric import Column
from experiments.runs import report
from tests.tiny_experiment import write_preset

VOID = {"meta", "img", "br"}


class Page(html.parser.HTMLParser):
    """Checks that tags nest, and collects images, other references and text."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.references: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if tag == "img" and name == "src":
                self.images.append(value)
            elif name in ("src", "href", "srcset", "data"):
                self.references.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def page(tmp_path):
    return build_page(tmp_path, done=60)


def build_page(tmp_path, done):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG pretended")
    setup = config.resolve(write_preset(tmp_path), ["notes=1 < 2 & <script>alert(1)</script>"])
    summary = {"kl": 0.0123456, "updates": done, "planned_updates": 60, "seconds": 1.25, "data": {"kl": 1e-3}}
    starts = [
        {"device": "cpu", "seed": 3, "command": "first <start>", "versions": {"numpy": "2"}},
        {"device": "cpu", "seed": 3, "command": "second start", "versions": {"numpy": "2"}},
    ]
    figures = [Figure(picture, "Title & more", "Caption <b>")]
    return setup, report.render(setup, summary, {"kl": Column("Divergence.", "nat", "log")}, figures, starts)


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    _, text = page
    parsed = Page(text)
    assert parsed.references == []
    assert not re.search(r"https?:|url\(|@import|<script|<link", text)
    assert [base64.b64decode(image.partition("base64,")[2]) for image in parsed.images] == [b"\x89PNG pretended"]


def test_the_page_holds_metrics_figures_configuration_and_every_start(page):
    setup, text = page
    words = Page(text).words
    for expected in ("Tiny <run>", "1 < 2 & <script>", "0.01235", "0.001", "Divergence. [nat]", "Title & more",
                     "Caption <b>", setup.text(), "first <start>", "second start", "numpy 2",
                     "60 updates in 1.2 s on cpu, seed 3"):  # fmt: skip
        assert expected in words


def test_an_unfinished_run_says_so(tmp_path):
    assert "30 of 60 updates (not finished)" in Page(build_page(tmp_path, done=30)[1]).words


def test_a_report_of_a_run_has_its_figures_and_summary(tmp_path):
    from experiments.__main__ import main

    assert main(["run", str(write_preset(tmp_path)), "--out", str(tmp_path / "run")]) == 0
    text = (tmp_path / "run" / "report.html").read_text()
    images = Page(text).images
    written = [(tmp_path / "run" / "figures" / name).read_bytes() for name in ("scatter.png", "training_curves.png")]
    assert [base64.b64decode(image.partition("base64,")[2]) for image in images] == written
    distance = json.loads((tmp_path / "run" / "summary.json").read_text())["distance"]
    assert f"{distance:.4g}" in Page(text).words
