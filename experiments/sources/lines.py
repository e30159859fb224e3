"""What a source of text is: pieces, such as the files of a folder, in a fixed order, each of which is lines.

Pieces are read as streams. Those of an archive come in the order in which they lie there, since a packed one can't be
read in another without being unpacked again and again.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self, cast

from .. import DataError
from .packed import GZIP, open_packed
from .source import reading

AT_ONCE = 4 << 20  # [bytes] of lines that are handed on together
LONGEST = 64 << 20  # [bytes] of a line: what is longer is no text
DAMAGE = (tarfile.TarError, zlib.error, ValueError)
"""What the readers of damaged archives raise, beside errors of the system."""
OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"\x89HDF": "HDF5",
}
"""What files begin with that hold text in a form that is not read, or none."""
TAR, TAR_AT = (b"ustar\0", b"ustar "), 257
"""What tar archives have where."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextError(DataError):
    """Text that can't be used as asked."""


class Rules(NamedTuple):
    """How the lines of a source are taken."""

    skips_blank: bool
    """Whether lines of nothing but white space are left out."""
    strips: bool
    """Whether carriage returns at the end of a line, and a byte order mark before the first one, are left out."""
    whole: bool
    """Whether a piece whose last line has no end is damaged."""


class LineSource(Protocol):
    """Text in pieces."""

    @property
    def path(self) -> Path:
        """File or folder."""

    @property
    def part(self) -> str:
        """Which part of the data set this is; empty where it has none."""

    @property
    def rules(self) -> Rules:
        """How its lines are taken."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the pieces in their order, for messages."""

    @property
    def ordered(self) -> bool:
        """Whether :meth:`pieces` gives them in that order."""

    def files(self) -> Iterable[Path]:
        """All files that are read."""

    def pieces(self) -> Iterator[tuple[int, BinaryIO]]:
        """Number of each piece, and its content, to be read before the next one is asked for.

        Raises
        ------
        TextError
            If one can't be read; the message begins with the file.
        """


class TextFiles:
    """Files, packed by gzip or not.

    Parameters
    ----------
    path : Path
        The file, or the folder of them.
    paths : sequence of Path
        The files in their order.
    part : str
        Which part of a data set they are.
    rules : Rules
        How their lines are taken.
    """

    ordered = True

    def __init__(self, path: Path, paths: Sequence[Path], part: str, rules: Rules):
        self.path, self._paths, self.part, self.rules = path, paths, part, rules
        self.names = [str(each) for each in paths]

    def files(self) -> Iterable[Path]:
        """The files."""
        return self._paths

    def pieces(self) -> Iterator[tuple[int, BinaryIO]]:
        """All of them."""
        for number, path in enumerate(self._paths):
            with reading(path, "text", to=TextError):
                file = open_packed(path)
            with file:
                yield number, file


class TextArchive:
    """Members of a tar archive, which may be packed by gzip, and so may they.

    Parameters
    ----------
    path : Path
        The archive.
    members : sequence of str
        Their names in their order.
    stored : sequence of str
        The same names in the order in which they lie in the archive.
    part : str
        Which part of a data set they are.
    rules : Rules
        How their lines are taken.
    """

    def __init__(self, path: Path, members: Sequence[str], stored: Sequence[str], part: str, rules: Rules):
        self.path, self.part, self.rules = path, part, rules
        self.names = [f"{path}: {name}" for name in members]
        self.ordered = list(members) == list(stored)
        self._numbers = {name: number for number, name in enumerate(members)}

    def files(self) -> Iterable[Path]:
        """The archive."""
        return [self.path]

    def pieces(self) -> Iterator[tuple[int, BinaryIO]]:
        """All of them, as they lie in the archive."""
        for name, file in _members(self.path):
            if name in self._numbers:
                number = self._numbers[name]
                with reading(self.names[number], "text", *DAMAGE, to=TextError):
                    buffered = io.BufferedReader(cast(io.RawIOBase, file))
                    packed = buffered.peek(len(GZIP))[: len(GZIP)] == GZIP
                yield number, cast(BinaryIO, gzip.GzipFile(fileobj=buffered)) if packed else buffered


def archived(path: Path) -> list[str] | None:
    """Names of the files in an archive as they lie there; None where a file is none.

    Raises
    ------
    TextError
        If it is damaged: a packed one is read to its end, where its checksum is compared; or is no file.
    """
    if not path.is_file():
        raise TextError(f"{path}: expected a file or a folder, which can be read twice, got a pipe or the like")
    with reading(path, "text", zlib.error, to=TextError):
        _expect_text(path)
        with open_packed(path) as file:
            head = file.read(tarfile.BLOCKSIZE)
    if head == bytes(tarfile.BLOCKSIZE):
        return []
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    names = [name for name, _ in _members(path)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TextError(f"{path}: holds {twice} twice")
    return names


def _members(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Files of an archive in the order in which they lie there, all of which is read."""

    def damaged():
        return reading(path, "a tar archive", *DAMAGE, to=TextError)

    with damaged():
        content = open_packed(path)
    with content:
        with damaged():
            archive = tarfile.TarFile.open(fileobj=content, mode="r|", errorlevel=2, tarinfo=_Member)
        while True:
            with damaged():
                if (member := archive.next()) is None:
                    break
                file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                yield member.name, cast(BinaryIO, file)
        with damaged():
            while content.read(AT_ONCE):  # at its end gzip compares a checksum
                pass


class _Member(tarfile.TarInfo):
    """A member whose header is damaged, or none where the archive has no end yet, is an error.

    Otherwise the archive would seem to end there, and what follows would be missing.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):  # its end
                raise
            raise tarfile.ReadError(f"truncated or damaged: {error} where a file begins") from error


def _expect_text(path: Path) -> None:
    """Raise :class:`TextError` where a file begins like one of :data:`OTHERS`."""
    with open(path, "rb") as file:
        head = file.read(8)
    if form := _other_form(head):
        raise TextError(f"{path}: expected text, packed by gzip or in a tar archive if at all, got a {form} file")


def _other_form(head: bytes) -> str | None:
    return next((form for begin, form in OTHERS.items() if head.startswith(begin)), None)


def _expect_lines(name: str, head: bytes) -> None:
    """Raise :class:`TextError` where a piece, unpacked, begins like a file that has to be unpacked first."""
    if form := _other_form(head) or ("gzip" if head.startswith(GZIP) else None):
        raise TextError(f"{name}: expected text, got a {form} file")
    if head[TAR_AT : TAR_AT + len(TAR[0])] in TAR:
        raise TextError(
            f"{name}: expected text, got a tar archive, which is damaged or lies in a folder or in another archive"
        )


def blocks(name: str, file: BinaryIO, rules: Rules) -> Iterator[bytes]:
    """Whole lines of a piece, some :data:`AT_ONCE` bytes of them at a time; the last may lack its end.

    Parameters
    ----------
    name : str
        Of the piece.
    file : binary file
        Its content.
    rules : Rules
        Of the source.

    Raises
    ------
    TextError
        If it can't be read, is another kind of file, has a line longer than :data:`LONGEST`, or ends within a line
        where none may.
    """
    rest, first = b"", True
    while True:
        with reading(name, "text", *DAMAGE, to=TextError):
            content = file.read(AT_ONCE)
        if first:
            _expect_lines(name, content)
            content = content.removeprefix(BYTE_ORDER_MARK) if rules.strips else content
        first = False
        if not content:
            break
        end = content.rfind(b"\n") + 1
        if end:
            yield rest + content[:end]
            rest = content[end:]
        else:
            rest += content
            if len(rest) > LONGEST:
                raise TextError(f"{name}: has a line of more than {LONGEST >> 20} MiB; is it text?")
    if rest and rules.whole:
        raise TextError(f"{name}: truncated: ends within a line ({rest[-40:].decode(errors='replace')!r})")
    if rest:
        yield rest
