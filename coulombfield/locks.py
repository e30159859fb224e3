"""Files that one process holds for itself: the system lets go of them when it ends, however it ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def check_locks(path: Path) -> None:
    """Raise, before anything is made, unless this system can lock a file or folder.

    Raises
    ------
    OSError
        It says which systems can.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "can't be locked: it takes fcntl, which Linux and macOS have", str(path))


def open_locked(path: Path, flags: int, *, shared: bool = False) -> int:
    """Open a file or a folder and hold it: its descriptor, whose closing lets go of it.

    Parameters
    ----------
    path : Path
        The file or folder.
    flags : int
        Those of :func:`os.open`.
    shared : bool
        Hold it along with others that share it, so that no process has it for itself.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    OSError
        If it can't be opened; or if this system, or the file system, has no such locks.
    """
    check_locks(path)
    file = os.open(path, flags, 0o666)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise BlockingIOError(f"{path}: another process holds it") from None
    except OSError as error:
        os.close(file)
        raise OSError(error.errno, f"can't be locked: {error.strerror}", str(path)) from None
    return file
