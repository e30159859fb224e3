from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import config, registry, schema
from experiments.config import ConfigError
from experiments.runs.loop import LoopConfig
from tests.support.tiny_experiment import Config, write_preset


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
        (
            "experiment=no.such",
            "experiment: 'no.such' is no module of this package, and none from elsewhere",
        ),
        ("experiment=experiments.config", "experiment: 'experiments.config' is no experiment"),
        ("experiment=.config", "experiment: expected the name of a module, got '.config'"),
        ("seed", "--set: expected dotted.key=value, got 'seed'"),
        (".seed=1", "--set: expected dotted.key=value, got '.seed=1'"),
        ("title=\udcff", "--set: expected text in UTF-8, got 'title=\\udcff'"),
        ("training.updates=" + "[" * 3000, "training.updates: expected an integer, got '[[["),
        ("training.updates=" + "[" * 400 + "]" * 400, "training.updates: expected an integer, got [[["),
        ("training.updates=" + "1" * 5000, "training.updates: expected an integer, got '111"),
        ("training" + ".a" * 5000 + "=1", "training.a: unknown key (with value "),  # too deep for some Pythons to show
    ],
)
def test_a_bad_override_is_named_with_what_was_expected(tmp_path, override, message):
    with pytest.raises(ConfigError) as caught:
        config.resolve(write_preset(tmp_path), [override])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


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
    changed = config.Setup(setup.name, setup.experiment, title, notes, notes, setup.config)
    (folder / "again.toml").write_text(changed.text(), encoding="utf-8", newline="")
    again = config.resolve(folder / "again.toml")
    assert (again.title, again.notes, again.results, again.config) == (title, notes, notes, setup.config)
    assert again.text() == changed.text()


@dataclass(frozen=True)
class WithKinds:
    """A choice of a data set, players that a GAN asks for, and a list of metrics."""

    data: Annotated[Any, schema.Kind("data")]
    gan: Annotated[Any, schema.Kind("gans")]
    players: Annotated[Any, schema.Tables(lambda values: dict.fromkeys(values["gan"].players, int))]
    metrics: tuple[Annotated[Any, schema.Kind("metrics")], ...] = ()


CHOSEN = {
    "data": {"kind": "digits", "held_out": 20},
    "gan": {"kind": "coulomb", "exponent": 1, "softening": {"start": 1.0, "kind": "constant"}},
    "generator": 3,
    "discriminator": 4,
    "metrics": [{"kind": "energy", "samples": 5}, {"kind": "modes"}],
}


def test_kinds_choose_files_and_come_back_from_toml():
    loaded = config.load(WithKinds, CHOSEN)
    assert [type(metric).__module__ for metric in loaded.metrics] == [
        f"experiments.metrics.{name}" for name in ("energy", "modes")
    ]
    assert (type(loaded.data).__module__, loaded.data.held_out) == ("experiments.data.digits", 20)
    assert loaded.players == {"generator": 3, "discriminator": 4}
    assert config.load(WithKinds, tomllib.loads(config.dumps(config.to_dict(loaded)))) == loaded


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gan": {"kind": "coulom"}}, "gan.kind: unknown kind 'coulom'; expected one of "),
        ({"gan": {"kind": "gan"}}, "gan.kind: the kind 'gan' of gans has no Config; expected one of "),
        (
            {"gan": {"kind": "no.such"}},
            "gan.kind: 'no.such' is no module of this package, and none from elsewhere",
        ),
        ({"gan": {"kind": 3}}, "gan.kind: expected a string, got 3"),
        ({"gan": 3}, "gan: expected a table, got 3"),
        ({"data": {"kind": "digits", "path": "x"}}, "data.path: unknown key (with value 'x'); expected one of "),
        ({"metrics": [{"kind": "energy", "neighbours": 3}]}, "metrics[0].neighbours: unknown key (with value 3)"),
        ({"metrics": [{"kind": "energy", "softening": 0}]}, "metrics[0].softening: expected a positive number"),
        ({"metrics": {"kind": "energy"}}, "metrics: expected a list, each entry a table, got "),
        ({"critic": 3}, "critic: unknown key (with value 3)"),
        ({"players": 3}, "players: unknown key (with value 3)"),
    ],
)
def test_a_wrong_kind_or_a_setting_of_another_kind_is_one_line(change, message):
    with pytest.raises(ConfigError) as caught:
        config.load(WithKinds, CHOSEN | change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_all_that_is_missing_is_in_one_message():
    with pytest.raises(ConfigError) as caught:
        config.load(WithKinds, {"gan": {"kind": "coulomb", "softening": {}}, "metrics": [{}]})
    message = str(caught.value)
    for name in (
        "data.kind, one of digits",
        "gan.exponent, a finite number",
        "gan.softening.start",
        "metrics[0].kind",
    ):
        assert name in message


def test_what_a_gan_lacks_is_told_before_what_its_players_are_called():
    """Without the GAN's settings nobody knows its players: a right one must not be called unknown."""
    for kind in ("gmmn", "ebgan", "coulomb"):
        with pytest.raises(ConfigError, match=r"missing") as caught:
            config.resolve("digits", [f"gan.kind={kind}"] + (["gan.kind=gmmn"] if kind == "coulomb" else []))
        assert "unknown" not in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "kind", "message"),
    [
        ("gans", "experiments.data.digits", "is none of gans: its Config is no GANConfig"),
        ("data", "experiments.gans.dcgan", "is none of data: its Config is no DataConfig"),
        ("metrics", "experiments.gan_training", "is none of metrics"),
        ("gans", "mine.hinge", "'mine.hinge' is no module of this package, and none from elsewhere"),
        ("gans", "__init__", "unknown kind|has no Config"),
        ("gans", "..", "no module"),
        ("gans", "os.path", "has no Config"),
    ],
)
def test_a_file_of_another_sort_is_no_kind(folder, kind, message):
    with pytest.raises(registry.KindError, match=message):
        registry.find(folder, kind)


def derived(folder, content: str, base: str = "tiny.toml"):
    write_preset(folder)
    (folder / "derived.toml").write_text(f'base = "{base}"\n{content}')
    return folder / "derived.toml"


def test_a_base_gives_what_a_preset_leaves_out(tmp_path):
    setup = config.resolve(derived(tmp_path, "seed = 8\n[training]\nlog_every = 9\n[shape]\nwidth = 4\n"))
    plan = setup.config.training
    assert (plan.updates, plan.log_every, setup.config.seed, setup.config.shape.width) == (60, 9, 8, 4)
    assert setup.experiment == "tests.support.tiny_experiment"
    assert setup.title == ""  # which says what the base is


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("derived.toml", "has itself as its base"),
        ("none.toml", "can't be read"),
        ("no-preset", "unknown preset"),
        ("", "base: expected a preset's name"),
    ],
)
def test_a_base_that_can_t_be_is_one_line(tmp_path, base, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config.resolve(derived(tmp_path, "", base))
    assert "\n" not in str(caught.value)


def test_a_table_of_another_kind_replaces_that_of_the_base(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "digits"\n[data]\nkind = "images"\npath = "x"\nsize = 8\nchannels = 1\n')
    settings = config.resolve(path).config
    assert (settings.data.path, settings.data.held_out) == ("x", 1_000)  # not the 250 of the digits
    assert settings.gan == config.resolve("digits").config.gan


def test_an_override_reaches_into_lists_and_changes_kinds():
    setup = config.resolve(
        "digits", ["metrics.energy.samples=5", "metrics.1.samples=6", "data.kind=images", "data.path=p"]
    )
    assert [metric.samples for metric in setup.config.metrics] == [5, 6, 250]
    assert setup.config.data.size == 64
    for override, message in (
        ("metrics.fid.samples=5", "metrics.fid: no such table; there are 0 (energy)"),
        ("metrics.samples=5", "metrics: a list of tables"),
    ):
        with pytest.raises(ConfigError) as caught:
            config.resolve("digits", [override])
        assert str(caught.value).startswith(message)


def test_what_a_preset_reached_is_not_said_of_another_run():
    assert config.resolve("digits").results
    assert config.resolve("digits", ["seed=3", "title=mine"]).results
    assert config.resolve("digits", ["training.updates=3"]).results == ""


def test_missing_values_are_named_with_their_path():
    with pytest.raises(ConfigError, match=r"training\.updates: missing; expected an integer"):
        config.load(Config, {})


def test_defaults_fill_the_rest():
    assert config.load(Config, {"training": {"updates": 3}}) == Config(training=LoopConfig(updates=3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read"),
        (b"a = ", "not valid TOML"),
        (b"\xff", "not valid TOML"),
        (b"seed = 1", "experiment: "),
        (b"a = " + b"[" * 3000, "not valid TOML"),
        (b"a = " + b"1" * 5000, "not valid TOML"),
    ],
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
