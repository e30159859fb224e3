"""Text of one's own, a sample a line: a file, packed by gzip or not, a folder of such, or a tar archive of them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from .folder import hidden
from .lines import LineSource, Rules, TextArchive, TextError, TextFiles, archived
from .source import check_part

RULES = Rules(skips_blank=True, strips=True, whole=False)


def open_lines(path: Path, part: str) -> LineSource:
    """All lines but blank ones, of files in the order of their paths.

    Parameters
    ----------
    path : Path
        File or folder. Of a folder or an archive, files whose names begin with a dot are passed over.
    part : str
        None there are.

    Raises
    ------
    TextError
        If there is nothing at the path, or no files in it, or an archive is damaged.
    """
    check_part("text", part, {"": None}, TextError)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and not hidden(file.relative_to(path)))
        if not files:
            raise TextError(f"{path}: no files there")
        return TextFiles(path, files, "", RULES)
    if not path.exists():
        raise TextError(f"{path}: no such file or folder")
    if (members := archived(path)) is None:
        return TextFiles(path, [path], "", RULES)
    stored = [name for name in members if not hidden(Path(PurePosixPath(name)))]
    if not stored:
        raise TextError(f"{path}: no files in the archive")
    return TextArchive(path, sorted(stored), stored, "", RULES)
