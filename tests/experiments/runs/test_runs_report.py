from __future__ import annotations

import base64
import csv
import html.parser
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments import config
from experiments.__main__ import main
from experiments.figures.curves import training_curves
from experiments.figures.style import Figure
from experiments.metrics.metric import Column
from experiments.page import HTML, element
from experiments.page import page as page_of
from experiments.runs import report
from tests.support.tiny_experiment import write_preset

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
    summary = {
        "kl": 0.0123456,
        "updates": done,
        "planned_updates": 60,
        "seconds": 1.25,
        "data": {"kl": 1e-3, "kl_deviation": 2.04e-4},
    }
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
    for expected in ("Tiny <run>", "1 < 2 & <script>", "0.01235", "0.001 ± 0.0002", "Divergence. [nat]", "Title & more",
                     "Caption <b>", setup.text(), "first <start>", "second start", "numpy 2",
                     "60 updates in 1.2 s on cpu, seed 3", "± is the standard deviation"):  # fmt: skip
        assert expected in words


def test_an_unfinished_run_says_so(tmp_path):
    assert "30 of 60 updates (not finished)" in Page(build_page(tmp_path, done=30)[1]).words


@pytest.mark.slow
def test_a_report_of_a_run_has_its_figures_and_summary(tmp_path):
    assert main(["run", str(write_preset(tmp_path)), "--out", str(tmp_path / "run")]) == 0
    text = (tmp_path / "run" / "report.html").read_text()
    images = Page(text).images
    written = [(tmp_path / "run" / "figures" / name).read_bytes() for name in ("scatter.png", "training_curves.png")]
    assert [base64.b64decode(image.partition("base64,")[2]) for image in images] == written
    distance = json.loads((tmp_path / "run" / "summary.json").read_text())["distance"]
    assert f"{distance:.4g}" in Page(text).words


@pytest.mark.slow
def test_the_csv_has_every_recorded_number_in_a_row_for_each_step(tmp_path):
    assert main(["run", str(write_preset(tmp_path)), "--out", str(tmp_path / "run")]) == 0
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file)}
    assert list(rows) == sorted({*range(7, 60, 7), 20, 40, 60})
    count = 0
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for kind in ("losses", "schedule", "metrics"):
            for name, value in record.get(kind, {}).items():
                assert float(rows[record["step"]][f"{kind}.{name}"]) == value
                count += 1
    assert count == sum(bool(cell) for row in rows.values() for name, cell in row.items() if "." in name)
    names = list(rows[60])
    assert names[:3] == ["step", "seconds", "updates_per_s"]
    assert names[3:] == [
        "losses.first", "losses.second", "schedule.rate", "metrics.distance", "metrics.energy", "metrics.floor",
    ]  # fmt: skip


def test_what_a_preset_reached_is_told_as_such(tmp_path):
    setup, _ = build_page(tmp_path, done=60)
    summary = {"updates": 60, "planned_updates": 60, "seconds": 1.0, "data": {}}
    told = config.Setup(setup.name, setup.experiment, setup.title, "Why <so>.", "All <of> it.\n", setup.config)
    words = Page(report.render(told, summary, {}, [], [{"device": "cpu", "seed": 3}])).words
    assert "What the preset reached: All <of> it." in words
    assert words.index("Why <so>.") < words.index("What the preset reached")


REACHED = re.compile(
    r"\breached with\b|\bseeds? \d|\btakes \d+ s\b|\bended with\b|\bfound all\b|after all \d", re.IGNORECASE
)


@pytest.mark.parametrize("name", config.preset_names())
def test_notes_explain_settings_and_a_changed_run_has_no_results(name):
    setup = config.resolve(name)
    assert not REACHED.search(setup.notes)
    shorter = config.resolve(name, ["training.updates=3"])
    assert shorter.results == ""
    assert shorter.notes == setup.notes


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "digits-direct",
        "dimension",
        "discriminator-or-field",
        "gaussian-mixture",
        "gaussian-mixture-direct",
        "gaussian-mixture-direct-quick",
        "gaussian-mixture-field",
        "gaussian-mixture-quick",
        "mixture-flow",
        "mode-escape",
    ],
)
def test_presets_say_what_they_reached(name):
    assert config.resolve(name).results


def images_run(folder, updates=6, *options):
    """A run on images of a folder, which may be moved afterwards."""
    pictures = folder / "pictures"
    if not pictures.exists():
        pictures.mkdir()
        for index, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (70, 8, 8), np.uint8)):
            Image.fromarray(pixels).save(pictures / f"{index}.png")
    plan = {"updates": updates, "batch": 8, "log_every": 2, "evaluate_every": 2, "checkpoint_every": 3}
    sets = [f"training.{key}={value}" for key, value in plan.items()]
    sets += ["data.kind=images", f"data.path={pictures}", "data.size=8", "data.channels=1", "data.held_out=30"]
    sets += ["generator.width=16", "discriminator.base=4", *(f"metrics.{n}.samples=30" for n in (0, 1, 2))]
    command = ["run", "digits", "--out", str(folder / "run"), "--device", "cpu", *options]
    return main([*command, *(word for override in sets for word in ("--set", override))])


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A finished run whose images are gone."""
    folder = tmp_path_factory.mktemp("moved")
    assert images_run(folder) == 0
    shutil.rmtree(folder / "pictures")
    return folder / "run"


@pytest.mark.slow
def test_a_report_without_the_data_is_made_of_what_the_folder_holds(tmp_path, capsys, moved):
    folder = tmp_path / "run"
    shutil.copytree(moved, folder)
    before = Page((folder / "report.html").read_text())
    summary = (folder / "summary.json").read_bytes()
    figures = {file.name: file.read_bytes() for file in (folder / "figures").iterdir()}
    for name in ("report.html", "metrics.csv"):
        (folder / name).unlink()
    assert main(["report", str(folder)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "pictures: no such file or folder; the report is made of what the folder holds" in printed[0]
    assert sum("the report is made of" in line for line in printed) == 1
    after = Page((folder / "report.html").read_text())
    assert after.images == before.images
    assert "Made of what the folder holds: " in after.words
    table = before.words[before.words.index("Definition") : before.words.index("Configuration")]
    assert table in after.words
    assert (folder / "summary.json").read_bytes() == summary
    assert {file.name: file.read_bytes() for file in (folder / "figures").iterdir()} == figures
    assert (folder / "metrics.csv").exists()


@pytest.mark.slow
def test_a_report_of_an_unfinished_run_without_the_data(tmp_path, moved):
    """Stopped before its first report: there are only checkpoints, lines and snapshots."""
    folder = tmp_path / "run"
    shutil.copytree(moved, folder)
    for name in ("report.html", "metrics.csv", "summary.json", "figures.json", "checkpoints/step-000000006.h5"):
        (folder / name).unlink()
    for name in ("samples", "data", "neighbours", "evolution", "training_curves"):
        (folder / "figures" / f"{name}.png").unlink()
    assert main(["report", str(folder)]) == 0
    page = Page((folder / "report.html").read_text())
    assert "3 of 6 updates (not finished)" in page.words
    assert len(page.images) == 2  # the snapshot at 2, and the curves
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    (record,) = (record for record in records if record["step"] <= 3 and "metrics" in record)
    summary = json.loads((folder / "summary.json").read_text())
    assert {name: summary[name] for name in record["metrics"]} == record["metrics"]
    assert summary["data"] == {}
    assert (folder / "metrics.csv").read_text().count("\n") == 2  # the head, and update 2
    assert "–" in page.words  # of the data nothing is known


def test_samples_over_time_are_rows_of_the_snapshots_up_to_the_checkpoint(tmp_path, moved):
    from experiments.figures import evolution

    shutil.copytree(moved / "figures", tmp_path / "figures")
    (tmp_path / "figures/samples-00000004.png").write_bytes(b"cut short")
    (tmp_path / "figures/samples-mine.png").write_bytes(b"not one of ours")
    kept = evolution.snapshots(tmp_path / "figures", ".png", 5, 10)
    assert list(kept) == [2, 4]
    assert evolution.of_images(tmp_path / "figures", 5, 10) == []  # one alone shows no change
    (figure,) = evolution.of_images(tmp_path / "figures", 6, 10)
    assert figure.path.read_bytes().startswith(b"\x89PNG")
    many = tmp_path / "many"
    many.mkdir()
    for step in range(1, 101):
        evolution.keep_points(many, step, np.full((3, 2), step, np.float32))
    points = evolution.kept_points(many, 90)
    assert len(points) == evolution.PANELS
    assert (min(points), max(points)) == (1, 90)
    assert all(np.all(there == step) for step, there in points.items())


@pytest.mark.slow
def test_a_run_that_went_on_shows_the_same_samples_over_time(tmp_path, moved):
    assert images_run(tmp_path) == 0
    first = (tmp_path / "run/figures/evolution.png").read_bytes()
    assert first == (moved / "figures/evolution.png").read_bytes()
    for name in ("report.html", "checkpoints/step-000000006.h5", "figures/evolution.png"):
        (tmp_path / "run" / name).unlink()
    assert main(["resume", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run/figures/evolution.png").read_bytes() == first


@pytest.mark.slow
def test_data_without_variety_have_no_noise_and_still_a_report(tmp_path):
    """The energy's noise floor is 0 there, of which no logarithm can be taken."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(70):
        Image.new("L", (8, 8), 200).save(pictures / f"{index}.png")
    assert images_run(tmp_path) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["data"]["energy_noise_floor"] == 0
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_a_curve_has_a_logarithm_where_there_is_noise(tmp_path, monkeypatch, noise):
    drawn = []
    monkeypatch.setattr("experiments.figures.curves.save", lambda figure, path: drawn.append(figure))
    columns = {"energy": Column("Energy.", "length", "symlog", noise="floor")}
    lines = [{"step": step, "metrics": {"energy": 1.0 / step}} for step in (1, 2, 3)]
    for reference in ({"energy": 0.1, "floor": noise}, {}):
        training_curves(tmp_path / "x.png", lines, columns, reference)
    scales = [next(axes for axes in figure.axes if axes.get_ylabel() == "energy [length]") for figure in drawn]
    assert [axes.get_yscale() for axes in scales] == ["symlog" if noise else "linear", "linear"]


HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "start",
    [{"seed": HOSTILE}, {"device": HOSTILE}, {HOSTILE: 1}, {"data": {HOSTILE: HOSTILE}}, {"versions": [HOSTILE]}],
)
def test_nothing_that_a_folder_holds_becomes_markup(tmp_path, start):
    """Not even what no folder of this program has: whatever is put into a page is text."""
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    setup = config.resolve(write_preset(tmp_path), [f"title={HOSTILE}", f"notes={HOSTILE}", f"results={HOSTILE}"])
    summary = {"updates": 1, "planned_updates": 2, "seconds": 1.0, "data": {}}
    figures = [Figure(picture, f'" onload="{HOSTILE}', HOSTILE)]
    columns = {HOSTILE: Column(HOSTILE, HOSTILE, "log")}
    text = report.render(setup, summary, columns, figures, [{"device": "cpu", "seed": 1, **start}], HOSTILE)
    assert "<script" not in text
    assert ' onload="' not in text
    assert HOSTILE in Page(text).words


def test_text_is_escaped_unless_it_is_html():
    inner = element("b", "a < b", title='"&')
    assert element("p", "1 < 2", 3, None, inner) == '<p>1 &lt; 23None<b title="&quot;&amp;">a &lt; b</b></p>'
    assert element("img", None, alt="<", src="") == '<img alt="&lt;">'
    assert "&lt;p&gt;" in page_of("t", ["<p>", element("p", "x")])
    assert isinstance(inner + "<", str)
    assert not isinstance(inner + "<", HTML)  # what is joined by hand counts as text again
