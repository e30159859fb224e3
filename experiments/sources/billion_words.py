"""The One Billion Word Benchmark, as its archive or unpacked.

C. Chelba, T. Mikolov, M. Schuster, Q. Ge, T. Brants, P. Koehn and T. Robinson, "One Billion Word Benchmark for
Measuring Progress in Statistical Language Modeling", Interspeech 2014. ``1-billion-word-language-modeling-benchmark-
r13output.tar.gz`` has 30 million shuffled sentences of news, a line each, in 99 shards for training, and 50 held out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .lines import LineSource, Rules, TextArchive, TextError, TextFiles, archived
from .source import check_part

RULES = Rules(skips_blank=False, strips=False, whole=True)


class Part(NamedTuple):
    """Where the shards of a part lie."""

    folder: str
    prefix: str
    first: int
    """Number of the first shard."""
    of: int
    """Number that the names of all end in."""


PARTS = {
    "train": Part("training-monolingual.tokenized.shuffled", "news.en-", 1, 100),
    "heldout": Part("heldout-monolingual.tokenized.shuffled", "news.en.heldout-", 0, 50),
}


def open_lines(path: Path, part: str) -> LineSource:
    """The training sentences, unless asked otherwise, shard by shard.

    Parameters
    ----------
    path : Path
        The archive, the folder of the shards, or one that holds it.
    part : str
        ``train`` or ``heldout``.

    Raises
    ------
    TextError
        If there are no shards, one is missing between others, or the archive is damaged.
    """
    chosen = part or "train"
    check_part("billion_words", chosen, PARTS, TextError)
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("news.en*")}
        found = _shards(path, chosen, files)
        return TextFiles(path, [files[name] for name in found], chosen, RULES)
    if not path.exists():
        raise TextError(f"{path}: no such file or folder")
    if (members := archived(path)) is None:
        raise TextError(f"{path}: expected Billion Word's folder or its archive, a .tar or .tar.gz")
    found = _shards(path, chosen, members)
    there = set(found)
    return TextArchive(path, found, [name for name in members if name in there], chosen, RULES)


def _shards(path: Path, part: str, names: Iterable[str]) -> list[str]:
    """Names, of those given, that are a part's shards, in the order of their numbers."""
    wanted = PARTS[part]
    pattern = re.compile(rf"{re.escape(wanted.prefix)}(\d{{5}})-of-{wanted.of:05}(\.gz)?")
    found: dict[int, str] = {}
    for name in names:
        file = PurePosixPath(name)
        folder = file.parent.name or path.resolve().name
        if (match := pattern.fullmatch(file.name)) and folder == wanted.folder:
            number = int(match[1])
            if number in found:
                raise TextError(f"{path}: holds shard {number} twice, as {found[number]} and {name}")
            found[number] = name
    if not found:
        shard = f"{wanted.prefix}{wanted.first:05}-of-{wanted.of:05}"
        raise TextError(f"{path}: no Billion Word there; expected {wanted.folder}/{shard} and so on")
    if missing := sorted(set(range(wanted.first, max(found))) - set(found)):
        shard = f"{wanted.prefix}{missing[0]:05}-of-{wanted.of:05}"
        raise TextError(f"{path}: lacks {len(missing)} of the shards up to {max(found)}, such as {shard}")
    return [found[number] for number in sorted(found)]
