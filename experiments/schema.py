"""Frozen dataclasses from nested mappings and back: checked key by key, with kinds that are files of this package."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from . import UserError, registry

T = TypeVar("T")

LONGEST = 200  # [characters] of a value in a message


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


def dotted(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of nested tables; a table of a list has its kind as a name, or its number."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            kinds = [entry.get("kind") for entry in value]
            for index, entry in enumerate(value):
                name = kinds[index] if kinds[index] is not None and kinds.count(kinds[index]) == 1 else index
                yield from dotted(entry, f"{prefix}{key}.{name}.")
        else:
            yield prefix + key, value


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted names in which nested tables differ, with both values; None stands for none."""
    there, here = dict(dotted(one)), dict(dotted(other))
    return {
        name: (there.get(name), here.get(name))
        for name in dict.fromkeys([*there, *here])
        if there.get(name) != here.get(name)
    }


def is_tables(value: Any) -> bool:
    """Whether a value is a list of tables, and of nothing else."""
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


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
        tables = {name: marker for name, hint in hints.items() if isinstance(marker := _marker(hint), Tables)}
        if not tables or None not in values.values():  # else what is missing decides which tables there are
            for field_name, marker in tables.items():
                there = marker.hints(values)
                of_tables |= there
                values[field_name] = {
                    name: self.convert(hint, mapping.get(name, {}), prefix + name) for name, hint in there.items()
                }
            self._refuse_unknown(mapping, {**hints, **of_tables}, prefix)
        return None if len(self.missing) > before else self.built(lambda: cls(**values), prefix)

    def built(self, make: Callable[[], Any], prefix: str) -> Any:
        """What a constructor gives; its ValueError names a setting, before which the table's name goes."""
        try:
            return make()
        except ValueError as error:
            raise ConfigError(f"{prefix}{error}") from error

    def convert(self, hint: Any, value: Any, name: str) -> Any:
        """Value of a type, from what TOML has."""
        marker = _marker(hint)
        if isinstance(marker, Kind) and isinstance(value, Mapping):
            return self._of_kind(marker, value, name)
        if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
            return self.table(hint, value, f"{name}.")
        if hasattr(hint, "of_number") and type(value) in (int, float) and math.isfinite(value):
            return self.built(lambda: hint.of_number(float(value)), f"{name}.")
        if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
            item = typing.get_args(hint)[0]
            return tuple(self.convert(item, entry, f"{name}[{index}]") for index, entry in enumerate(value))
        if typing.get_origin(hint) is typing.Literal:
            # By type too: True == 1, and a choice of numbers must not take it.
            if any(type(choice) is type(value) and choice == value for choice in typing.get_args(hint)):
                return value
        elif hint is float and type(value) in (int, float) and math.isfinite(value):
            return float(value)
        elif hint in (bool, int, str) and type(value) is hint and (hint is not int or abs(value) < 2**63):
            return value
        raise ConfigError(f"{name}: expected {_describe(hint)}, got {_shown(value)}")

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
                raise ConfigError(f"{prefix}{key}: unknown key (with value {_shown(value)}); {suggestion}")


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


def _shown(value: Any) -> str:
    """A value in a message of one line, cut where it is long."""
    try:
        text = repr(value)
    except RecursionError:
        return "tables too deep to show"
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... ({len(text)} characters)"


def _describe(hint: Any) -> str:
    if hasattr(hint, "of_number"):
        return "a finite number or a table"
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
