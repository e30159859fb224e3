"""Configuration: frozen dataclasses from a TOML preset and ``--set dotted.key=value``; nothing unknown passes.

A preset names its ``experiment`` (a module of this package, or a dotted module path), may carry a ``title`` and
``notes``, and holds the fields of that module's ``Config``.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from . import UserError

PRESETS = Path(__file__).with_name("presets")
HEADER = ("experiment", "title", "notes")

T = TypeVar("T")


class ConfigError(UserError, ValueError):
    """A key or value that the configuration does not accept; the message starts with its dotted key."""


@dataclass(frozen=True)
class TrainingConfig:
    """What every experiment's loop needs.

    Parameters
    ----------
    updates : int
        Number of updates of both players [updates].
    batch : int
        Samples of each kind in a minibatch [samples].
    log_every, evaluate_every, checkpoint_every : int
        Period of the mean losses, the metrics and the checkpoints [updates]; the last update does all three.
    keep_checkpoints : int
        How many of the newest checkpoints stay on disk [files].
    blas_threads : int
        Threads of NumPy's matrix products; 0 leaves the number to the library. Small networks want 1: two threads that
        wait for each other hundreds of times in an update stand still as soon as anything else runs.
    """

    updates: int
    batch: int = 128
    log_every: int = 1_000
    evaluate_every: int = 10_000
    checkpoint_every: int = 10_000
    keep_checkpoints: int = 3
    blas_threads: int = 0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            least = 0 if name == "blas_threads" else 1
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")


@dataclass(frozen=True)
class Setup:
    """A preset after its overrides: which experiment, with which configuration.

    Parameters
    ----------
    name : str
        The preset's name, or the stem of the user's own file.
    experiment : str
        Module that has ``Config`` and ``build(config, device, streams)``; without a dot, one of this package.
    title, notes : str
        Text for people: shown by ``list`` and in the report.
    config : dataclass
        The module's ``Config``; has at least ``seed`` and ``training``.
    """

    name: str
    experiment: str
    title: str
    notes: str
    config: Any

    @property
    def module(self) -> types.ModuleType:
        """The experiment's module."""
        return _module(self.experiment)

    def text(self) -> str:
        """Everything resolved, as TOML that :func:`resolve` reads back to an equal setup."""
        return dumps({**{key: getattr(self, key) for key in HEADER}, **to_dict(self.config)})


def resolve(preset: str | Path, overrides: Sequence[str] = ()) -> Setup:
    """Preset and overrides as one checked setup.

    Parameters
    ----------
    preset : str or Path
        Name of a file in ``presets``, or a path that ends in ``.toml``.
    overrides : sequence of str
        ``dotted.key=value``; the value is TOML, and whatever is no TOML is taken as a string.

    Raises
    ------
    ConfigError
        For an unknown preset, key or experiment, a wrong type, or a value that a dataclass refuses.
    """
    path = find(preset)
    mapping = read(path)
    for override in overrides:
        _apply(mapping, override)
    header = {key: mapping.pop(key, "") for key in HEADER}
    for key, value in header.items():
        if not isinstance(value, str):
            raise ConfigError(f"{key}: expected a string, got {value!r}")
    if not header["experiment"]:
        raise ConfigError(f"experiment: missing in {path}; expected the name of an experiment's module")
    return Setup(name=path.stem, config=load(_module(header["experiment"]).Config, mapping), **header)


def find(preset: str | Path) -> Path:
    """File of a preset, given by name or by a path that ends in ``.toml``."""
    if str(preset).endswith(".toml"):
        return Path(preset)
    names = preset_names()
    if preset not in names:
        close = difflib.get_close_matches(str(preset), names) or names
        raise ConfigError(f"unknown preset {str(preset)!r}; expected a .toml file or one of: {', '.join(close)}")
    return PRESETS / f"{preset}.toml"


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def read(path: Path) -> dict[str, Any]:
    """A TOML file as a mapping, or a :class:`ConfigError` that names it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error


def load(cls: type[T], mapping: Mapping[str, Any]) -> T:
    """Instance of a dataclass from a mapping, checked key by key.

    Notes
    -----
    Field types may be bool, int, float, str, ``Literal``, ``tuple[X, ...]`` and further dataclasses. An int serves as
    a float, and a bool as neither. A dataclass checks values in ``__post_init__`` by a ValueError whose message starts
    with the field's name; the dotted path is put before it.
    """
    return _load(cls, mapping, "", list(dotted_keys(cls)))


def dotted_keys(cls: type, prefix: str = "") -> Iterator[str]:
    """Full names of all values of a dataclass and the dataclasses inside it."""
    for name, hint in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from dotted_keys(typing.cast(type, hint), f"{prefix}{name}.")
        else:
            yield prefix + name


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as nested plain mappings, with lists for tuples."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def dumps(mapping: Mapping[str, Any], prefix: str = "") -> str:
    """TOML text of nested mappings: values first, then one table for each mapping."""
    lines = [f"{key} = {_toml(value)}" for key, value in mapping.items() if not isinstance(value, Mapping)]
    text = "".join(f"{line}\n" for line in lines)
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            text += f"\n[{prefix}{key}]\n{dumps(value, f'{prefix}{key}.')}"
    return text


def _module(experiment: str) -> types.ModuleType:
    name = experiment if "." in experiment else f"{__package__}.{experiment}"
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"experiment: expected the name of a module, got {experiment!r}")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"experiment: there is no module {name!r}") from error
    if not (dataclasses.is_dataclass(getattr(module, "Config", None)) and callable(getattr(module, "build", None))):
        raise ConfigError(f"experiment: {experiment!r} is no experiment: it lacks Config or build")
    return module


def _apply(mapping: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    *tables, key = (part.strip() for part in dotted.split("."))
    if not equals or not all([*tables, key]):
        raise ConfigError(f"--set: expected dotted.key=value, got {override!r}")
    for depth, table in enumerate(tables):
        mapping = mapping.setdefault(table, {})
        if not isinstance(mapping, dict):
            raise ConfigError(f"{'.'.join(tables[: depth + 1])}: a value, not a table; got {override!r}")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    # More than one key means that the text broke out of its line: then it is a string as well.
    mapping[key] = parsed["value"] if parsed.keys() == {"value"} else text


def _load(cls: type[T], mapping: Mapping[str, Any], prefix: str, known: list[str]) -> T:
    hints = typing.get_type_hints(cls)
    for key, value in mapping.items():
        if key not in hints:
            raise ConfigError(f"{prefix}{key}: unknown key (with value {value!r}); {_suggest(prefix, key, known)}")
    values = {}
    for field in dataclasses.fields(typing.cast(Any, cls)):
        hint, name = hints[field.name], prefix + field.name
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name in mapping:
            values[field.name] = _convert(hint, mapping[field.name], name, known)
        elif required and dataclasses.is_dataclass(hint):
            values[field.name] = _convert(hint, {}, name, known)
        elif required:
            raise ConfigError(f"{name}: missing; expected {_describe(hint)}")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{prefix}{error}") from error


def _convert(hint: Any, value: Any, name: str, known: list[str]) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _load(typing.cast(type, hint), value, f"{name}.", known)
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, entry, f"{name}[{index}]", known) for index, entry in enumerate(value))
    if typing.get_origin(hint) is typing.Literal:
        # By type too: True == 1, and a choice of numbers must not take it.
        if any(type(choice) is type(value) and choice == value for choice in typing.get_args(hint)):
            return value
    elif hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    elif hint in (bool, int, str) and type(value) is hint:
        return value
    raise ConfigError(f"{name}: expected {_describe(hint)}, got {value!r}")


def _describe(hint: Any) -> str:
    if dataclasses.is_dataclass(hint):
        return "a table"
    if typing.get_origin(hint) is tuple:
        return f"a list, each entry {_describe(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(hint)))}"
    return {bool: "true or false", int: "an integer", float: "a finite number", str: "a string"}[hint]


def _suggest(prefix: str, key: str, known: list[str]) -> str:
    namesakes = [name for name in known if name.rpartition(".")[2] == key]
    close = namesakes or difflib.get_close_matches(prefix + key, known)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"expected one of {', '.join(name for name in known if name.startswith(prefix))}"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return _toml_string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


def _toml_string(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped as well.
    lines = [json.dumps(line, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f") for line in text.split("\n")]
    if len(lines) == 1:
        return f'"{lines[0]}"'
    return '"""\n' + "\n".join(lines) + '"""'
