"""Configuration: frozen dataclasses from a TOML preset and ``--set dotted.key=value``; nothing unknown passes.

A preset names its ``experiment`` (a module of this package, or one that has been imported already), may carry a
``title``, ``notes`` and ``results``, and holds the fields of that module's ``Config``. ``base = "PRESET"`` takes over
another one.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import registry
from .schema import ConfigError, is_tables, load, to_dict

PRESETS = Path(__file__).with_name("presets")
HEADER = ("experiment", "title", "notes", "results")
OF_DATA = "data itself"
"""What an experiment's reference is called whose module has no ``KNOWN_AS``: the metrics of real samples."""


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

    @property
    def reference(self) -> str:
        """What the numbers are called that metrics are held against."""
        return getattr(self.module, "KNOWN_AS", OF_DATA)

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
    except (ValueError, RecursionError) as error:  # also where numbers are too long, or tables too deep, for Python
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


def dumps(mapping: Mapping[str, Any], prefix: str = "") -> str:
    """TOML text of nested mappings: values first, then one table for each mapping."""
    tables = {key: value for key, value in mapping.items() if isinstance(value, Mapping) or is_tables(value)}
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
        module = registry.module_of(name)
    except registry.KindError as error:
        raise ConfigError(f"experiment: {error}") from error
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
    try:
        override = os.fsencode(override).decode()  # a machine without a language takes the command line for ASCII
    except UnicodeError as error:
        raise ConfigError(f"--set: expected text in UTF-8, got {override!a}") from error
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
        if not (isinstance(place, dict) or is_tables(place)):
            raise ConfigError(f"{name}: a value, not a table; got {override!r}")
    if isinstance(place, list):
        raise ConfigError(f"{'.'.join(tables)}: a list of tables; name one by its kind or number; got {override!r}")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # also where numbers are too long, or lists too deep, for Python
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
