"""Text for tests: lines in Billion Word's own layout, and as a plain dictionary would count and encode them."""

import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = "1-billion-word-language-modeling-benchmark-r13output"
TRAIN, HELD_OUT = "training-monolingual.tokenized.shuffled", "heldout-monolingual.tokenized.shuffled"
TEXT = "the cat sat on a mat , and naïve übermut drew 12 € at “ noon ” . 日本 😀 x"
WORDS = TEXT.split()


def sentences(count, seed=0):
    """Lines of words, of 1 to 14 of them, not all of ASCII."""
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[word] for word in rng.integers(0, len(WORDS), rng.integers(1, 15))) for _ in range(count)]


def content(lines):
    return "".join(f"{line}\n" for line in lines).encode()


def shards(lines, count=3, held_out=2):
    """Files of the archive by their names, lines dealt out in order."""
    dealt = np.array_split(np.array(lines, object), count + held_out)
    names = [f"{ROOT}/{TRAIN}/news.en-{number:05}-of-00100" for number in range(1, count + 1)]
    names += [f"{ROOT}/{HELD_OUT}/news.en.heldout-{number:05}-of-00050" for number in range(held_out)]
    return {name: content(some) for name, some in zip(names, dealt, strict=True)}


def write_tar(path, files, mode="w:gz"):
    file = {"fileobj": path} if isinstance(path, io.BytesIO) else {"name": path}
    with tarfile.open(mode=mode, **file) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_folder(path, files):
    for name, data in files.items():
        file = Path(path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return path


def published(lines, length=32, vocabulary=2048):
    """Symbols in ascending order and codes, by a dictionary, of lines that are strings or bytes."""
    rows = [[ord(each) if isinstance(each, str) else each for each in line[:length]] for line in lines]
    rows = [row + [ord("`")] * (length - len(row)) for row in rows]
    counts = Counter(symbol for row in rows for symbol in row)
    kept = sorted(sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[: vocabulary - 1])
    codes = {symbol: code for code, symbol in enumerate(kept, 1)}
    return [-1, *kept], np.array([[codes.get(symbol, 0) for symbol in row] for row in rows])
