"""The folder of a run and the files in it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coulombfield.locks import check_locks, open_locked

from .. import UserError
from ..files import to_json, write_atomically, writing
from ..metrics.metric import AXES, Column

TABLES = ("losses", "schedule", "metrics")
"""Tables of numbers by name, in a line of the metrics."""


class RecordError(UserError):
    """A folder that can't be used as asked."""


class RunFolder:
    """One run on disk: its configuration, where it came from, metrics, checkpoints, figures, summary and report.

    ``columns.json`` says of each metric what it is, and ``figures.json`` of each figure of the report what there is to
    see, so that a folder can be read without its experiment and its data. ``metrics.csv`` is ``metrics.jsonl`` with one
    row for each step, made with the report.

    Parameters
    ----------
    path : Path
        The folder; :meth:`create` makes a new one, :meth:`open` expects one that holds a run.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config = path / "config.toml"
        self.provenance = path / "provenance.json"
        self.columns = path / "columns.json"
        self.metrics = path / "metrics.jsonl"
        self.table = path / "metrics.csv"
        self.checkpoints = path / "checkpoints"
        self.figures = path / "figures"
        self.captions = path / "figures.json"
        self.generator = path / "generator.h5"
        self.summary = path / "summary.json"
        self.report = path / "report.html"

    @classmethod
    def create(cls, out: Path | None, name: str) -> RunFolder:
        """New folder at ``out``, or in ``runs`` under the run's name and the time.

        Raises
        ------
        RecordError
            If ``out`` exists and is no empty folder.
        """
        if out is None:
            base = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
            suffixes = itertools.chain([""], (f"-{count}" for count in itertools.count(2)))
            out = next(path for suffix in suffixes if not (path := base.with_name(base.name + suffix)).exists())
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RecordError(f"{out}: expected a new or empty folder for --out")
        run = cls(out)
        with writing(out):
            check_locks(out)
            for folder in (run.path, run.checkpoints, run.figures):
                folder.mkdir(parents=True, exist_ok=True)
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Folder of an earlier run.

        Raises
        ------
        RecordError
            If there is none, or the run ended before its configuration was written.
        """
        run = cls(path)
        if not path.is_dir():
            raise RecordError(f"{path}: no such folder")
        if not run.config.is_file():
            raise RecordError(
                f"{path}: no run (config.toml is missing; a run stopped that early has to be started again)"
            )
        with writing(path):
            for folder in (run.checkpoints, run.figures):
                folder.mkdir(exist_ok=True)
        return run

    def discard_unstarted(self) -> None:
        """Remove the folder of a run that was stopped before it could be resumed; one that holds anything else stays.

        Raises
        ------
        RecordError
            If another process is at it.
        """
        if not self.path.is_dir() or self.config.exists():
            return
        with self.locked():
            files = [path for path in self.path.rglob("*") if not path.is_dir()]
            own = {self.provenance, self.columns, self.checkpoints / "step-000000000.h5"}  # all that a start writes
            if any(path not in own and not path.match(".*.tmp") for path in files):
                return
            for path in files:
                path.unlink()
            for folder in (self.checkpoints, self.figures, self.path):
                with contextlib.suppress(OSError):
                    folder.rmdir()

    @property
    def busy(self) -> bool:
        """Whether another process is training in this folder, as far as this system can tell."""
        try:
            os.close(open_locked(self.path, os.O_RDONLY, shared=True))
        except BlockingIOError:
            return True
        except OSError:  # no such folder, or no locks, without which no process trains
            return False
        return False

    @property
    def resume_command(self) -> str:
        """The command that continues this run."""
        return f"python -m experiments resume {shlex.quote(str(self.path))}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process from training in this folder; the system drops the lock with the process."""
        try:
            folder = open_locked(self.path, os.O_RDONLY)
        except BlockingIOError as error:
            raise RecordError(f"{self.path}: another process is training in this folder") from error
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}") from error
        try:
            yield
        finally:
            os.close(folder)

    def add_start(self, provenance: Mapping[str, Any]) -> None:
        """Add the provenance of one more start of this run."""
        earlier = self.read_starts() if self.provenance.exists() else []
        write_atomically(self.provenance, to_json([*earlier, provenance]))

    def read_starts(self) -> list[dict[str, Any]]:
        """Provenance of every start, first to last."""
        starts = self._read(self.provenance)
        if not isinstance(starts, list) or not starts or not all(map(_is_start, starts)):
            raise RecordError(f"{self.provenance}: expected a list of starts, each with a device and a seed")
        return starts

    def read_summary(self) -> dict[str, Any]:
        """Content of ``summary.json``."""
        summary = self._read(self.summary)
        names = ("updates", "planned_updates", "seconds")
        data = summary.get("data") if isinstance(summary, dict) else None
        if data is None or not all(name in summary for name in names):
            raise RecordError(f"{self.summary}: expected an object with numbers {', '.join(names)}, and an object data")
        if not _are_numbers(data) or not _are_numbers({**summary, "data": 0}):
            raise RecordError(f"{self.summary}: expected numbers by name, and an object data of such numbers")
        return summary

    def read_captions(self) -> list[dict[str, str]] | None:
        """File, title and caption of each figure of the last report; None before there is one."""
        captions = self._read(self.captions) if self.captions.exists() else None
        if captions is not None and not (isinstance(captions, list) and all(map(_is_caption, captions))):
            raise RecordError(f"{self.captions}: expected a list of texts file, title, caption, of files in figures")
        return captions

    def write_columns(self, columns: Mapping[str, Column]) -> None:
        """Keep what each metric is."""
        write_atomically(self.columns, to_json({name: column._asdict() for name, column in columns.items()}))

    def read_columns(self) -> dict[str, Column]:
        """What each metric is; empty for a folder that does not say."""
        if not self.columns.exists():
            return {}
        columns = self._read(self.columns)
        if not isinstance(columns, dict):
            raise RecordError(f"{self.columns}: expected an object, what each metric is")
        for name, fields in columns.items():
            if not _is_column(fields):
                raise RecordError(
                    f"{self.columns}: {name!r}: expected texts {', '.join(Column._fields)}, the axis one of "
                    f"{', '.join(filter(None, AXES))}"
                )
        return {name: Column(**fields) for name, fields in columns.items()}

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add one line to the metrics; ``record`` has a ``step``."""
        with writing(self.metrics), open(self.metrics, "ab") as file:
            file.write(json.dumps(record).encode() + b"\n")

    def sync_metrics(self) -> None:
        """Force the metrics to the disk, so that no checkpoint is newer than the lines before it."""
        if self.metrics.exists():
            with writing(self.metrics), open(self.metrics, "rb") as file:
                os.fsync(file.fileno())

    def read_metrics(self) -> list[dict[str, Any]]:
        """All whole lines of the metrics, in order; a last line that a kill cut short is left out.

        Raises
        ------
        RecordError
            If another line is no record of this program; the message has its number.
        """
        if not self.metrics.exists():
            return []
        records, lines = [], self.metrics.read_bytes().splitlines()
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if _is_record(record):
                records.append(record)
            elif number < len(lines):
                raise RecordError(f"{self.metrics}: line {number} is no record of a run")
        return records

    def cut_metrics(self, step: int) -> None:
        """Drop what was recorded after ``step``: the run will record it again."""
        kept = [record for record in self.read_metrics() if record["step"] <= step]
        write_atomically(self.metrics, "".join(json.dumps(record) + "\n" for record in kept))

    def remove_leftovers(self) -> None:
        """Delete the temporary files that a kill left behind."""
        for folder in (self.path, self.checkpoints, self.figures):
            for temporary in folder.glob(".*.tmp"):
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _read(self, path: Path) -> Any:
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(f"{path}: can't be read ({error})") from error


def _is_start(value: Any) -> bool:
    """Whether a value can be the provenance of a start."""
    return isinstance(value, dict) and isinstance(value.get("device"), str) and isinstance(value.get("seed"), int)


def _is_record(value: Any) -> bool:
    """Whether a value can be a line of the metrics: a step, and numbers by name."""
    if not isinstance(value, dict) or type(value.get("step")) is not int:
        return False
    rest = {name: number for name, number in value.items() if name not in TABLES}
    return _are_numbers(rest) and all(_are_numbers(value.get(name, {})) for name in TABLES)


def _is_caption(value: Any) -> bool:
    """Whether a value can be a figure of a report: its file lies among the figures."""
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("file", "title", "caption")):
        return False
    return Path(value["file"]).name == value["file"] not in ("", "..")


def _is_column(value: Any) -> bool:
    """Whether a value can say what a metric is."""
    if not isinstance(value, dict) or not value.keys() <= set(Column._fields) or "definition" not in value:
        return False
    return all(isinstance(text, str) for text in value.values()) and value.get("axis", "") in AXES


def _are_numbers(value: Any) -> bool:
    """Whether a value holds numbers by name, none of them an integer that is beyond all floats."""
    if not isinstance(value, dict):
        return False
    return all(type(x) is float or (type(x) is int and abs(x) < 2**63) for x in value.values())
