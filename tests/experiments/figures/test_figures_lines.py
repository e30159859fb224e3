"""Figures of lines: text that a report shows as text, also when it is made of what its folder holds."""

import html.parser
import json
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import config
from experiments.figures import lines
from experiments.figures.style import Figure
from experiments.runs import report
from experiments.runs.folder import RunFolder
from tests.experiments.metrics.test_edit_distance import Part
from tests.support.tiny_experiment import write_preset

SIGNS = "\N{REPLACEMENT CHARACTER}`abcd<>\x07\n"


class Alphabet:
    padding = 1

    def text(self, codes):
        return ["".join(SIGNS[code] for code in line) for line in codes]


def codes(*texts, length=6):
    return np.array([[SIGNS.index(sign) for sign in text.ljust(length, "`")] for text in texts], np.uint8)


TRAINING = ("abcd", "dd`d", "<b>", "cab")


@pytest.fixture
def data():
    parts = {"training": codes(*TRAINING), "held_out": codes("bad", "", "dad")}
    return SimpleNamespace(alphabet=Alphabet(), **{name: Part(of) for name, of in parts.items()})


class Preformatted(html.parser.HTMLParser):
    """Texts of all <pre> of a page, without the newline that a browser drops behind the tag."""

    def __init__(self, text):
        super().__init__()
        self.texts, self._inside = [], False
        self.feed(text)
        self.texts = [text.removeprefix("\n") for text in self.texts]

    def handle_starttag(self, tag, attributes):
        if tag == "pre":
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data):
        if self._inside:
            self.texts[-1] += data


def test_lines_are_shown_without_the_padding_at_their_end(data):
    """Signs that are none, such as a newline in a line, don't tear it."""
    shown = lines.readable(codes("ab`c", "a`", "", "\N{REPLACEMENT CHARACTER}a\x07\nb"), data.alphabet)
    assert shown == ["ab`c", "a", "", "\ufffda\ufffd\ufffdb"]


@pytest.mark.slow
def test_figures_are_text_files(tmp_path, data):
    samples = codes("abc", "<b>", "dd`")
    for updates in (0, 10, 20, 99):
        lines.snapshot(tmp_path, updates, data, samples[updates == 10 :])
    (tmp_path / "samples-00000015.txt").write_bytes(b"\xff not one of ours")
    figures = lines.draw(tmp_path, data, SimpleNamespace(updates=20), samples)
    found = {figure.path.name: figure.path.read_text(encoding="utf-8") for figure in figures}
    assert found == {
        "samples.txt": "abc\n<b>\ndd\n",
        "data.txt": "bad\n\ndad\n",
        "neighbours.txt": "  1  abc\n     abcd\n\n  0  <b>\n     <b>\n\n  2  dd\n     dd`d\n",
        "evolution.txt": "0 updates\nabc\n<b>\ndd\n\n10 updates\n<b>\ndd\n\n20 updates\nabc\n<b>\ndd\n",
    }
    assert "of 4 training lines" in figures[2].caption
    assert len(lines.draw(tmp_path, data, SimpleNamespace(updates=5), samples)) == 3  # one moment shows no change


def test_a_moment_shows_few_lines(tmp_path, data):
    lines.snapshot(tmp_path, 7, data, codes(*["a"] * 30))
    assert (tmp_path / "samples-00000007.txt").read_text() == "a\n" * lines.EACH


def test_a_report_shows_text_as_text(tmp_path, data):
    """Escaped, with an empty first line, and beside figures of the other kind."""
    samples, picture = codes("", "<b>"), tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG pretended")
    figures = [*lines.draw(tmp_path, data, SimpleNamespace(updates=1), samples), Figure(picture, "Picture", "")]
    (tmp_path / "foreign.txt").write_bytes(b"\xff<script>")
    figures.append(Figure(tmp_path / "foreign.txt", "Foreign", ""))
    setup = config.resolve(write_preset(tmp_path))
    summary = {"updates": 1, "planned_updates": 1, "seconds": 1.0, "data": {}}
    text = report.render(setup, summary, {}, figures, [{"device": "cpu", "seed": 1}])
    assert "<b>" not in text
    assert "<script" not in text
    assert text.count("<img") == 1
    assert Preformatted(text).texts[:3] == ["\n<b>\n", "bad\n\ndad\n", "  3  \n     <b>\n\n  0  <b>\n     <b>\n"]
    assert "<pre>\n\n&lt;b&gt;" in text
    assert "\ufffd<script>" in Preformatted(text).texts


@pytest.mark.parametrize("captions", [True, False])
def test_a_report_of_what_the_folder_holds_has_the_text(tmp_path, data, captions):
    """By the captions of the last report, or without them all text but the earlier snapshots."""
    run = RunFolder.create(tmp_path / "run", "lines")
    setup = config.resolve(write_preset(tmp_path))
    run.config.write_text(setup.text())
    run.add_start({"device": "cpu", "seed": 1})
    for updates in (10, 20, 30):
        lines.snapshot(run.figures, updates, data, codes("a" * (updates // 10)))
    figures = lines.draw(run.figures, data, SimpleNamespace(updates=20), codes("cab"))
    if captions:
        told = [{"file": figure.path.name, "title": figure.title, "caption": figure.caption} for figure in figures]
        run.captions.write_text(json.dumps(told))
    report.rebuild(run, setup, 20, 1.0, "the data are gone")
    shown = Preformatted(run.report.read_text(encoding="utf-8")).texts[:-1]  # the last is the configuration
    expected = {figure.path.read_text(encoding="utf-8") for figure in figures} | (set() if captions else {"aa\n"})
    assert len(shown) == len(expected)
    assert set(shown) == expected
