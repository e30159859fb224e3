"""Configuration: frozen dataclasses from a TOML preset and ``--set dotted.key=value``; nothing unknown passes.

A preset names its ``experiment`` (a module of this package, or a dotted module path), may carry a ``title``, ``notes``
and ``results``, and holds the fields of that module's ``Config``. ``base = "PRESET"`` takes over another one.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from . import UserError, registry

PRESETS = Path(__file__).with_name("presets")
HEADER = ("experiment", "title", "notes", "results")

T = TypeVar("T")


class ConfigError(UserError, ValueError):
    """A key or value that the configuration does not accept; the message starts with its dotted key."""


@dataclass(frozen=True)
class Kind:
    """Marks a field whose table says by ``kind`` which file it configures: ``Annotated[Any, Kind("data")]``.

    Parameters
    ----------
    folder : str
        Folder of this package.
    attribute : str
        What the configuration is called in the file.
    """

    folder: str
    attribute: str = "Config"


@dataclass(frozen=True)
class Tables:
    """Marks a mapping whose entries are tables beside the other fields, which decide what there is.

    Parameters
    ----------
    hints : callable
        Types by name, given the values of the other fields.
    """

    hints: Callable[[Mapping[str, Any]], Mapping[str, Any]]


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
    results : str
        What the preset reached; empty where settings are not the preset's.
    config : dataclass
        The module's ``Config``; has at least ``seed`` and ``training``.
    """

    name: str
    experiment: str
    title: str
    notes: str
    results: str
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
        ``dotted.key=value``; the value is TOML, and whatever is no TOML is taken as a string. A table of a list is
        named by its ``kind``, as in ``metrics.energy.samples=500``, or by its number.

    Raises
    ------
    ConfigError
        For an unknown preset, key or experiment, a wrong type, or a value that a dataclass refuses.

    Notes
    -----
    Tables of ``base`` and preset are merged key by key; other values replace those of the base, lists as wholes. A
    table at the top level whose ``kind`` is another one replaces that of the base, whose keys mean nothing to it; so
    does an override of such a ``kind``.
    """
    path = find(preset)
    mapping = read(path)
    header = {key: mapping.pop(key, "") for key in HEADER}
    for override in overrides:
        _apply(header if override.partition("=")[0].strip() in HEADER else mapping, override)
    if any(override.partition("=")[0].strip() not in ("seed", *HEADER) for override in overrides):
        header["results"] = ""
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


def read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A TOML file as a mapping, merged into that of its ``base``, or a :class:`ConfigError` that names it.

    Title, notes and results are a file's own; ``base`` is a preset's name, or a path that starts from the file's
    folder.
    """
    try:
        mapping = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error
    base = mapping.pop("base", None)
    if base is None:
        return mapping
    if not isinstance(base, str) or not base:
        raise ConfigError(f"base: expected a preset's name or a .toml file, got {base!r} in {path}")
    file = path.parent / base if base.endswith(".toml") else find(base)
    if file.resolve() in (path.resolve(), *above):
        raise ConfigError(f"base: {path} has itself as its base, by way of {base!r}")
    merged = read(file, (*above, path.resolve()))
    for key in ("title", "notes", "results"):
        merged.pop(key, None)
    _merge(merged, mapping)
    return merged


def load(cls: type[T], mapping: Mapping[str, Any]) -> T:
    """Instance of a dataclass from a mapping, checked key by key.

    Raises
    ------
    ConfigError
        At the first key that is unknown and the first value that is refused; all keys that are missing are in one
        message.

    Notes
    -----
    Field types may be bool, int, float, str, ``Literal``, ``tuple[X, ...]``, further dataclasses, and what
    :class:`Kind` and :class:`Tables` mark. An int serves as a float, and a bool as neither. A dataclass checks values
    in ``__post_init__`` by a ValueError whose message starts with the field's name; the dotted path is put before it.
    """
    reader = _Reader(cls)
    loaded = reader.table(cls, mapping, "")
    if len(reader.missing) == 1:
        raise ConfigError("{}: missing; expected {}".format(*reader.missing[0]))
    if reader.missing:
        raise ConfigError("missing: " + "; ".join(f"{name}, {expected}" for name, expected in reader.missing))
    return typing.cast(T, loaded)


def dotted_keys(cls: type, prefix: str = "") -> Iterator[str]:
    """Full names of all values of a dataclass and the dataclasses inside it, but for those that a kind brings."""
    for name, hint in _hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from dotted_keys(typing.cast(type, hint), f"{prefix}{name}.")
        elif not isinstance(_marker(hint), Tables):
            yield prefix + name


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as nested plain mappings, with lists for tuples."""
    values, hints = (
        {field.name: getattr(config, field.name) for field in dataclasses.fields(config)},
        _hints(type(config)),
    )
    plain: dict[str, Any] = {}
    for name, value in values.items():
        marker = _marker(hints[name])
        if isinstance(marker, Tables):
            plain |= {key: _plain(value[key], hint) for key, hint in marker.hints(values).items()}
        else:
            plain[name] = _plain(value, hints[name])
    return plain


def differences(one: Any, other: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted keys in which two configurations, as plain mappings, differ, with both values; None stands for none."""
    if isinstance(one, list) and isinstance(other, list) and _is_tables(one) and _is_tables(other):
        one, other = ({str(index): table for index, table in enumerate(tables)} for tables in (one, other))
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return {} if one == other else {prefix.rstrip("."): (one, other)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*one, *other]):
        found |= differences(one.get(key), other.get(key), f"{prefix}{key}.")
    return found


def instances(config: Any, cls: type[T], prefix: str = "") -> Iterator[tuple[str, T]]:
    """Dotted name and value of everything of a class within a configuration."""
    if isinstance(config, cls):
        yield prefix.rstrip("."), config
    elif dataclasses.is_dataclass(config):
        for field in dataclasses.fields(config):
            inner = getattr(config, field.name)
            own = "" if isinstance(inner, Mapping) else f"{field.name}."  # tables stand beside the other fields
            yield from instances(inner, cls, prefix + own)
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from instances(value, cls, f"{prefix}{key}.")


def dumps(mapping: Mapping[str, Any], prefix: str = "") -> str:
    """TOML text of nested mappings: values first, then one table for each mapping."""
    tables = {key: value for key, value in mapping.items() if isinstance(value, Mapping) or _is_tables(value)}
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in mapping.items() if key not in tables)
    for key, value in tables.items():
        name = prefix + key
        if isinstance(value, Mapping):
            text += f"\n[{name}]\n{dumps(value, f'{name}.')}"
        else:
            text += "".join(f"\n[[{name}]]\n{dumps(entry, f'{name}.')}" for entry in value)
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


def _merge(mapping: dict[str, Any], other: Mapping[str, Any], *, top: bool = True) -> None:
    """Put all of ``other`` into a mapping, tables key by key."""
    for key, value in other.items():
        here = mapping.get(key)
        if not (isinstance(here, dict) and isinstance(value, Mapping)):
            mapping[key] = value
        elif top and "kind" in value and value["kind"] != here.get("kind"):
            mapping[key] = dict(value)
        else:
            _merge(here, value, top=False)


def _apply(mapping: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    *tables, key = (part.strip() for part in dotted.split("."))
    if not equals or not all([*tables, key]):
        raise ConfigError(f"--set: expected dotted.key=value, got {override!r}")
    place: Any = mapping
    for depth, table in enumerate(tables):
        name = ".".join(tables[: depth + 1])
        if isinstance(place, list):
            place = _entry(place, table, ".".join(tables[:depth]))
        else:
            place = place.setdefault(table, {})
        if not (isinstance(place, dict) or _is_tables(place)):
            raise ConfigError(f"{name}: a value, not a table; got {override!r}")
    if isinstance(place, list):
        raise ConfigError(f"{'.'.join(tables)}: a list of tables; name one by its kind or number; got {override!r}")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    # More than one key means that the text broke out of its line: then it is a string as well.
    value = parsed["value"] if parsed.keys() == {"value"} else text
    if len(tables) == 1 and key == "kind" and place.get("kind") != value:
        place.clear()
    place[key] = value


def _entry(tables: list[dict[str, Any]], name: str, where: str) -> dict[str, Any]:
    """One of a list of tables, by its kind or its number."""
    named = [table for table in tables if table.get("kind") == name]
    if len(named) == 1:
        return named[0]
    if name.isdecimal() and int(name) < len(tables):
        return tables[int(name)]
    there = ", ".join(f"{i} ({table.get('kind')})" for i, table in enumerate(tables))
    raise ConfigError(f"{where}.{name}: {'no' if not named else 'more than one'} such table; there are {there}")


class _Reader:
    """Reads one mapping, and collects what is missing in it."""

    def __init__(self, cls: type):
        self.known = list(dotted_keys(cls))
        self.missing: list[tuple[str, str]] = []

    def table(self, cls: Any, mapping: Mapping[str, Any], prefix: str) -> Any:
        """Instance of a dataclass; None where something is missing, in it or below."""
        hints, before, values = _hints(cls), len(self.missing), {}
        of_tables: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            hint, name = hints[field.name], prefix + field.name
            if isinstance(_marker(hint), Tables):
                continue
            if field.name in mapping:
                values[field.name] = self.convert(hint, mapping[field.name], name)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                values[field.name] = self._absent(hint, name)
            elif field.default is not dataclasses.MISSING:
                values[field.name] = field.default
        for field in dataclasses.fields(cls):
            marker = _marker(hints[field.name])
            if isinstance(marker, Tables) and None not in values.values():
                of_tables |= marker.hints(values)
                values[field.name] = {
                    name: self.convert(hint, mapping.get(name, {}), prefix + name)
                    for name, hint in marker.hints(values).items()
                }
        self._refuse_unknown(mapping, {**hints, **of_tables}, prefix)
        if len(self.missing) > before:
            return None
        try:
            return cls(**values)
        except ValueError as error:
            raise ConfigError(f"{prefix}{error}") from error

    def convert(self, hint: Any, value: Any, name: str) -> Any:
        """Value of a type, from what TOML has."""
        marker = _marker(hint)
        if isinstance(marker, Kind) and isinstance(value, Mapping):
            return self._of_kind(marker, value, name)
        if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
            return self.table(hint, value, f"{name}.")
        if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
            item = typing.get_args(hint)[0]
            return tuple(self.convert(item, entry, f"{name}[{index}]") for index, entry in enumerate(value))
        if typing.get_origin(hint) is typing.Literal:
            # By type too: True == 1, and a choice of numbers must not take it.
            if any(type(choice) is type(value) and choice == value for choice in typing.get_args(hint)):
                return value
        elif hint is float and type(value) in (int, float) and math.isfinite(value):
            return float(value)
        elif hint in (bool, int, str) and type(value) is hint:
            return value
        raise ConfigError(f"{name}: expected {_describe(hint)}, got {value!r}")

    def _of_kind(self, marker: Kind, mapping: Mapping[str, Any], name: str) -> Any:
        kind = mapping.get("kind")
        if kind is None:
            self.missing.append(
                (f"{name}.kind", f"one of {', '.join(registry.kinds(marker.folder, marker.attribute))}")
            )
            return None
        if not isinstance(kind, str):
            raise ConfigError(f"{name}.kind: expected a string, got {kind!r}")
        try:
            cls = getattr(registry.find(marker.folder, kind, marker.attribute), marker.attribute)
        except registry.KindError as error:
            raise ConfigError(f"{name}.kind: {error}") from error
        return self.table(cls, {key: value for key, value in mapping.items() if key != "kind"}, f"{name}.")

    def _absent(self, hint: Any, name: str) -> Any:
        if dataclasses.is_dataclass(hint) or isinstance(_marker(hint), Kind):
            return self.convert(hint, {}, name)  # for the names of what is missing in it
        self.missing.append((name, _describe(hint)))
        return None

    def _refuse_unknown(self, mapping: Mapping[str, Any], hints: Mapping[str, Any], prefix: str) -> None:
        for key, value in mapping.items():
            if key not in hints or isinstance(_marker(hints[key]), Tables):
                there = [name for name, hint in hints.items() if not isinstance(_marker(hint), Tables)]
                suggestion = _suggest(prefix, key, there, self.known)
                raise ConfigError(f"{prefix}{key}: unknown key (with value {value!r}); {suggestion}")


def _hints(cls: type) -> dict[str, Any]:
    """Types of a dataclass' fields, with what marks them."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(typing.cast(Any, cls))}


def _marker(hint: Any) -> Any:
    """What marks a type that is no plain one."""
    return hint.__metadata__[0] if typing.get_origin(hint) is typing.Annotated else None


def _plain(value: Any, hint: Any) -> Any:
    if isinstance(value, tuple):
        item = typing.get_args(hint)[0]
        return [_plain(entry, item) for entry in value]
    if dataclasses.is_dataclass(value):
        kind = {"kind": registry.kind_of(value)} if isinstance(_marker(hint), Kind) else {}
        return kind | to_dict(value)
    return value


def _describe(hint: Any) -> str:
    if dataclasses.is_dataclass(hint) or _marker(hint) is not None:
        return "a table"
    if typing.get_origin(hint) is tuple:
        return f"a list, each entry {_describe(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(hint)))}"
    return {bool: "true or false", int: "an integer", float: "a finite number", str: "a string"}[hint]


def _suggest(prefix: str, key: str, there: Sequence[str], known: Sequence[str]) -> str:
    here = [name for name in known if name.startswith(prefix)]
    tables = {name.removeprefix(prefix).partition(".")[0] for name in here}
    here += [prefix + name for name in there if name not in tables]
    namesakes = [name for name in dict.fromkeys([*here, *known]) if name.rpartition(".")[2] == key]
    close = namesakes or [prefix + name for name in difflib.get_close_matches(key, there)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"expected one of {', '.join(here)}"


def _is_tables(value: Any) -> bool:
    """Whether a value is a list of tables, and of nothing else."""
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


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
