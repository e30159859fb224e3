from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import config
from experiments.config import ConfigError, TrainingConfig
from tests.tiny_experiment import Config, write_preset


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    flag: bool


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    rate: float
    choice: Literal["a", "b"]
    inner: Inner


numbers = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]))
inners = st.builds(
    Inner, st.lists(st.integers(-(2**62), 2**62)).map(tuple), st.lists(numbers).map(tuple), st.booleans()
)
outers = st.builds(Outer, text, st.integers(-(2**62), 2**62), numbers, st.sampled_from("ab"), inners)


@given(original=outers)
@settings(max_examples=100)
def test_a_configuration_survives_toml(original):
    assert config.load(Outer, tomllib.loads(config.dumps(config.to_dict(original)))) == original


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.udpates=5", "training.udpates: unknown key (with value 5); did you mean training.updates"),
        ("updates=5", "updates: unknown key (with value 5); did you mean training.updates?"),
        ("rate=1", "rate: unknown key (with value 1); did you mean shape.rate?"),
        ("qqqqqq=1", "qqqqqq: unknown key (with value 1); expected one of training.updates, "),
        ("shape.qqqqqq=1", "shape.qqqqqq: unknown key (with value 1); expected one of shape.width, shape.sizes"),
        ("training.updates=5.0", "training.updates: expected an integer, got 5.0"),
        ("training.updates=true", "training.updates: expected an integer, got True"),
        ("training.updates=many", "training.updates: expected an integer, got 'many'"),
        ("training.updates=0", "training.updates: expected at least 1, got 0"),
        ("training=3", "training: expected a table, got 3"),
        ("seed.deep=3", "seed: a value, not a table; got 'seed.deep=3'"),
        ("shape.rate=inf", "shape.rate: expected a finite number, got inf"),
        ("shape.rate=false", "shape.rate: expected a finite number, got False"),
        ("shape.sizes=[1, 'x']", "shape.sizes[1]: expected an integer, got 'x'"),
        ("shape.sizes=4", "shape.sizes: expected a list, each entry an integer, got 4"),
        ("dtype=float16", "dtype: expected one of 'float32', 'float64', got 'float16'"),
        ("pause=-1", "pause: expected at least 0, got -1.0"),
        ("title=3", "title: expected a string, got 3"),
        ("experiment=no_such", "experiment: there is no module 'experiments.no_such'"),
        ("experiment=no.such", "experiment: there is no module 'no.such'"),
        ("experiment=experiments.config", "experiment: 'experiments.config' is no experiment"),
        ("experiment=.config", "experiment: expected the name of a module, got '.config'"),
        ("seed", "--set: expected dotted.key=value, got 'seed'"),
        (".seed=1", "--set: expected dotted.key=value, got '.seed=1'"),
    ],
)
def test_a_bad_override_is_named_with_what_was_expected(tmp_path, override, message):
    with pytest.raises(ConfigError) as caught:
        config.resolve(write_preset(tmp_path), [override])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("dtype=float32", ("dtype", "float32")),
        ("dtype='float32'", ("dtype", "float32")),
        ("pause=2", ("pause", 2.0)),
        ("pause = 1e-3", ("pause", 1e-3)),
        ("seed=1_000", ("seed", 1000)),
    ],
)
def test_an_override_is_toml_or_a_bare_word(tmp_path, override, expected):
    value = getattr(config.resolve(write_preset(tmp_path), [override]).config, expected[0])
    assert value == expected[1]
    assert type(value) is type(expected[1])


def test_an_override_sets_nothing_but_its_key(tmp_path):
    setup = config.resolve(write_preset(tmp_path), ['title="a"\nseed = 9'])
    assert setup.title == '"a"\nseed = 9'
    assert setup.config.seed != 9


@given(title=text, notes=text, rate=numbers)
@settings(max_examples=25)
def test_the_text_of_a_setup_is_a_preset_of_the_same(tmp_path_factory, title, notes, rate):
    folder = tmp_path_factory.mktemp("presets")
    setup = config.resolve(write_preset(folder), ["shape.sizes=[5, 6]"])
    changed = config.Setup(setup.name, setup.experiment, title, notes, setup.config)
    (folder / "again.toml").write_text(changed.text(), encoding="utf-8", newline="")
    again = config.resolve(folder / "again.toml")
    assert (again.title, again.notes, again.config) == (title, notes, setup.config)
    assert again.text() == changed.text()


def test_missing_values_are_named_with_their_path():
    with pytest.raises(ConfigError, match=r"training\.updates: missing; expected an integer"):
        config.load(Config, {})


def test_defaults_fill_the_rest():
    assert config.load(Config, {"training": {"updates": 3}}) == Config(training=TrainingConfig(updates=3))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "can't be read"), (b"a = ", "not valid TOML"), (b"\xff", "not valid TOML"), (b"seed = 1", "experiment: ")],
)
def test_a_file_that_is_no_preset_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        config.resolve(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"unknown preset 'nope'; expected a \.toml file or one of"):
        config.resolve("nope")


@pytest.mark.parametrize("name", config.preset_names())
def test_every_preset_resolves_and_has_a_title(name):
    assert config.resolve(name).title
