"""The benchmark of text: that it measures what it says, whatever the speed may be."""

import json
from collections import Counter

import pytest

from validation.__main__ import main
from validation.speed.text import benchmark as text
from validation.speed.text import counting, preparing
from validation.speed.text.bench import made_up


def test_both_ways_have_rows_of_time_and_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(counting, "QUICK_COUNT", 300)
    monkeypatch.setattr(preparing, "QUICK_COUNT", 300)
    (tmp_path / "a.txt").write_text("Zwölf Boxkämpfer jagen\n\nViktor quer über den großen Sylter Deich\n")
    for only, tables in (("--only", "preparing"), 2), (("--only", "counting", "--text", str(tmp_path / "a.txt")), 1):
        command = ["speed", "text", "--quick", "--seconds", "1e-3", "--json", str(tmp_path / "rows.json"), *only]
        assert main(command) == 0
        rows = json.loads((tmp_path / "rows.json").read_text())
        times = [row for row in rows if "median_s" in row]
        peaks = [row for row in rows if "after_mb" in row]
        assert [row["way"] for row in times] == [row["way"] for row in peaks] == ["ours", "dictionary"] * tables
        for row in times:
            assert row["lines"] == 300
            assert row["min_s"] <= row["median_s"] <= row["max_s"]
            assert row["lines_per_s"] == pytest.approx(300 / row["median_s"])
        assert all(row["after_mb"] >= row["before_mb"] > 10 for row in peaks)
    assert "counting: n-grams, n = 1 to 6" in capsys.readouterr().out


def test_made_up_words_are_as_frequent_as_in_language():
    lines = list(made_up(3000))
    assert len(lines) == 3000
    assert lines == list(made_up(3000))
    (_, first), (_, second) = Counter(" ".join(lines).split(" ")).most_common(2)
    assert 1.2 < first / second < 3


@pytest.mark.parametrize("table", [counting, preparing])
def test_peers_that_give_something_else_are_not_timed(monkeypatch, table):
    made = table.by_dictionary

    def other(*arguments):
        if table is counting:
            return made([line[::-1].replace("e", "x") for line in arguments[0]])
        return made(*arguments[:1], "bytes" if arguments[1] == "characters" else "characters", *arguments[2:])

    monkeypatch.setattr(table, "by_dictionary", other)
    monkeypatch.setattr(table, "QUICK_COUNT", 50)
    if table is preparing:
        monkeypatch.setattr("validation.speed.text.bench.made_up", lambda count: iter(["naïve"] * count))
    with pytest.raises(RuntimeError, match=r"the dictionary (counts|makes) other"):
        text.run(1e-3, only=[table.__name__.rpartition(".")[2]], quick=True)
