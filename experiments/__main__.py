"""Command line of the experiments: ``python -m experiments list | run | resume | sample | report | ...``."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import UserError
from .files import print_whatever_comes
from .ranks import launch

NEEDED = ("array_api_compat", "h5py", "matplotlib", "numba", "numpy", "PIL", "scipy", "threadpoolctl", "tqdm")

TOGETHER = ("run", "resume")
"""Commands for several processes (``mpiexec``)."""

MOST_DIGITS = 1000  # Python makes no integer of several thousand
MOST_SEEDS = 10_000  # in a range: more is a slip of the finger


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 2 for the user's mistakes, 1 for a failed run, 128 + a signal."""
    print_whatever_comes()
    try:
        launch.begin()
    except UserError as error:
        if launch.first():
            print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    try:
        return _command(_parsed(argv))
    except SystemExit:
        raise
    except BaseException:
        launch.fail()
        raise


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Arguments of the command line; raises SystemExit where they are wrong, on one process of several for all."""
    if launch.size() == 1:
        return _parser().parse_args(argv)
    said, helped = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(helped):
            return _parser().parse_args(argv)
    except SystemExit as end:
        if launch.first():
            print(helped.getvalue(), end="")
        status = end.code if isinstance(end.code, int) else 2
        raise SystemExit(launch.leave(said.getvalue().strip(), status) if status else 0) from end


def _command(arguments: argparse.Namespace) -> int:
    """What :func:`main` returns for a command."""
    if (size := launch.size()) > 1:
        seeds = getattr(arguments, "seeds", None)
        if arguments.command not in TOGETHER or seeds:
            name = "run --seeds" if seeds else arguments.command
            return _fail(f"error: {name}: expected one process, got {size}; run and resume are for several", 2)
        if not launch.first():
            warnings.simplefilter("ignore")  # the first tells of the same
    try:
        from . import commands
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        return _fail(f'error: {error.name} is not installed: pip install -e ".[experiments]"', 2)
    try:
        with _sigterm_raises(commands.Terminated), _warnings_of_one_line():
            for name in arguments.modules:
                commands.import_own(name)
            getattr(commands, arguments.command)(arguments)
    except commands.StoppedError as error:
        return _fail(str(error), error.exit_code)
    except UserError as error:
        return _fail(f"error: {error}", error.exit_code, each=getattr(error, "each_rank", False))
    except BrokenPipeError:  # nobody reads on, as behind "| head"
        sys.stdout = io.StringIO()  # Python flushes it at its end
        status = 128 + signal.SIGPIPE
        return _fail("stopped: nobody reads the output", status) if arguments.command in TOGETHER else status
    except OSError as error:  # what the system refuses, such as too long a name
        file = f"{error.filename}: " if error.filename else ""
        return _fail(f"error: {file}{error.strerror or error}", 1)
    except MemoryError as error:
        return _fail(f"error: not enough memory ({error or 'for what was asked'})", 1)
    except KeyboardInterrupt:
        return _fail("stopped by SIGINT", 128 + signal.SIGINT)
    except commands.Terminated:
        return _fail("stopped by SIGTERM", 128 + signal.SIGTERM)
    return 0


def _fail(message: str, status: int, *, each: bool = False) -> int:
    return launch.leave(message, status, each=each)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description="The Coulomb GAN paper's experiments.")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of your own that presets or folders name, given before the command",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: str, text: str, to: Any = commands) -> argparse.ArgumentParser:
        command = to.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(command=function)
        return command

    add("list", "list_presets", "print the names and titles of the presets")

    run = add("run", "run", "train a preset from the start, in a new folder")
    run.add_argument("name", metavar="NAME", help="a preset, or the path of your own .toml file")
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder (default: runs/NAME-date-time, of seeds runs/NAME-seeds)"
    )
    run.add_argument("--seed", type=_count, metavar="N", help="seed of all randomness, instead of the preset's")
    run.add_argument(
        "--seeds", type=_seeds, metavar="N-M", help="seeds such as 0-4 or 0,3,7: a run for each, and their comparison"
    )
    run.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override, such as training.updates=1000"
    )
    run.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="checkpoint or generator.h5 whose parameters to start from",
    )

    resume = add("resume", "resume", "continue a run from its last checkpoint")
    resume.add_argument("folder", type=Path, metavar="DIR")
    resume.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="settings of the loop, such as training.updates"
    )

    sample = add("sample", "sample", "draw generated samples into a file, or a picture of them")
    place: dict[str, Any] = {
        "type": Path,
        "metavar": "DIR",
        "help": "folder of a run, or a file of its generator or checkpoint",
    }
    sample.add_argument("folder", **place)
    sample.add_argument("--count", type=_count, metavar="N", help="(default: 10000, of images in a picture 100)")
    sample.add_argument("--out", type=Path, metavar="FILE", help=".npy, .csv or .png (default: DIR/samples.npy)")
    sample.add_argument("--checkpoint", type=Path, metavar="FILE", help="(default: the run's last good one)")
    sample.add_argument("--seed", type=_count, metavar="N", help="seed of the samples (default: the run's)")
    sample.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="(default: %(default)s)")

    player: dict[str, Any] = {"default": "generator", "metavar": "NAME", "help": "of the GAN (default: %(default)s)"}
    export = add("export", "export", "write a trained network for PyTorch or ONNX")
    export.add_argument("folder", **place)
    export.add_argument("--to", choices=("safetensors", "onnx"), required=True, help="format")
    export.add_argument("--player", **player)
    export.add_argument("--out", type=Path, metavar="FILE", help="(default: DIR/PLAYER.safetensors or .onnx)")
    export.add_argument("--checkpoint", type=Path, metavar="FILE", help="(default: the run's last good one)")

    weights = add(
        "import", "import_weights", "make an .h5 file, for sample and run --from, of a network from elsewhere"
    )
    weights.add_argument(
        "source", metavar="DIR", help="folder of a run, a file of it, or a preset, which says what it is"
    )
    weights.add_argument("weights", type=Path, metavar="WEIGHTS", help=".safetensors or .onnx, as export writes them")
    weights.add_argument("--player", **player)
    weights.add_argument("--out", type=Path, metavar="FILE", required=True, help="new .h5 file")

    report = add("report", "rebuild_report", "write figures, summary and report again")
    report.add_argument("folder", type=Path, metavar="DIR")

    compare = add("compare", "compare", "write a page with several runs beside each other")
    compare.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a run's folder, or a folder of such")
    compare.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the page (default: runs/comparison-date-time)"
    )

    events = add("tensorboard", "event_files", "write a run's metrics as TensorBoard's event files")
    events.add_argument("folder", type=Path, metavar="DIR")
    events.add_argument("--out", type=Path, metavar="DIR", help="new folder (default: DIR/tensorboard)")

    table = add("table", "table", "make a table or figure of the paper from many runs")
    table.add_argument(
        "name", metavar="NAME", help="such as figure-4, which runs what is missing, or 1b, which does not"
    )
    table.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of its runs (default: runs/NAME, or runs where it runs nothing)"
    )
    table.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    table.add_argument(
        "--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="runs at a time (default: %(default)s)"
    )
    table.add_argument("--plan", action="store_true", help="say what there is to do and how long it takes, and stop")
    table.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override in all runs, such as data.variance=0.1",
    )

    data = commands.add_parser("data", help="prepare data sets", description="Prepare data sets.")
    parts = data.add_subparsers(required=True, metavar="COMMAND")
    prepare = add("prepare", "prepare_data", "turn a source of images or text into one HDF5 file to train on", parts)
    prepare.add_argument(
        "kind",
        metavar="KIND",
        help="of images: folder, cifar10, celeba, lsun, idx, npz or hdf5; of text: text or billion_words",
    )
    prepare.add_argument("source", type=Path, metavar="SOURCE", help="file or folder")
    prepare.add_argument("out", type=Path, metavar="OUT.h5", help="new; an unfinished one of images is gone on with")
    prepare.add_argument(
        "--size", type=_positive, metavar="N", help="height and width [pixels] (default: as they are; celeba, lsun: 64)"
    )
    prepare.add_argument(
        "--crop",
        metavar="CROP",
        help="none, square, LEFT,TOP,RIGHT,BOTTOM in pixels, or the name of a published one of celeba: dcgan, began, "
        "progressive, ncsn, vae, pytorch (default: none; of celeba dcgan, of lsun square); is resized to --size",
    )
    prepare.add_argument("--count", type=_positive, metavar="N", help="take the first N images or lines (default: all)")
    prepare.add_argument("--part", default="", metavar="PART", help="such as train, test or heldout")
    prepare.add_argument(
        "--channels", type=int, choices=(1, 3), default=0, help="grey or colour (default: what the kind has)"
    )
    prepare.add_argument("--unit", default="", metavar="UNIT", help="of text, needed there: characters or bytes")
    prepare.add_argument("--length", type=_positive, metavar="L", help="symbols of a line of text (default: 32)")
    prepare.add_argument(
        "--vocabulary", type=_positive, metavar="V", help="symbols with codes of their own, less one (default: 2048)"
    )
    check = add("check", "check_data", "print what is in a file that prepare has made, and show some of it", parts)
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--out", type=Path, metavar="FILE", help="picture of images (default: FILE.png)")
    distance = add("fid", "feature_distance", "print the Fréchet distance of two sets of images")
    kinds = "a run's folder, a folder or .zip of images, .h5, .npy, .npz of images or of statistics"
    distance.add_argument("first", type=Path, metavar="A", help=kinds)
    distance.add_argument("second", type=Path, nargs="?", metavar="B", help="the same; may be left out to save A's")
    distance.add_argument(
        "--features", default="inception", metavar="NAME", help="network that measures (default: %(default)s)"
    )
    distance.add_argument("--weights", type=Path, metavar="FILE", help="of the network (default: by the environment)")
    distance.add_argument(
        "--samples", type=_positive, metavar="N", help="images of each, at most (default: all; of a run 50000)"
    )
    distance.add_argument(
        "--save-statistics", type=Path, metavar="FILE", help="write mean and covariance of A's features, as .npz"
    )

    pairs = add("figure-3", "figure_3", "show similar pairs of generated images and estimate how many there can be")
    pairs.add_argument("folder", type=Path, metavar="DIR", help="folder of a run of images")
    pairs.add_argument(
        "--batches", type=_positive, default=50, metavar="N", help="batches to look at (default: %(default)s)"
    )
    pairs.add_argument("--size", type=_positive, default=1024, metavar="N", help="of a batch (default: %(default)s)")
    pairs.add_argument(
        "--duplicate",
        type=_level,
        metavar="LEVELS",
        help="root mean square difference of 8-bit pixels up to which two images are one (default: half of the closest "
        "pair's in batches of training images, their median)",
    )
    pairs.add_argument("--out", type=Path, metavar="FILE", help="picture (default: DIR/figure-3.png)")

    networks = add("networks", "describe_networks", "print layers, parameters and operations of the paper's networks")
    networks.add_argument("names", nargs="*", metavar="NAME", help="such as coulomb_generator (default: all)")
    networks.add_argument(
        "--size", type=int, choices=(32, 64), default=64, help="of images [pixels] (default: %(default)s)"
    )
    return parser


def _positive(text: str) -> int:
    if (number := _count(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return number


def _level(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 255:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 255, got {text!r}")
    return number


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"expected numbers and ranges such as 0-4 or 0,3,7, got {text!r}")
        lowest, highest = _count(first), _count(last or first)
        if not lowest <= highest < lowest + MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"expected ranges that rise, of up to {MOST_SEEDS} seeds, got {part!r}")
        found += range(lowest, highest + 1)
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected each seed once, got {text!r}")
    return found


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a non-negative integer, got {text!r}")
    if len(text) > MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"expected an integer of at most {MOST_DIGITS} digits, got {len(text)}")
    return int(text)


@contextlib.contextmanager
def _warnings_of_one_line() -> Iterator[None]:
    """Print warnings as the program's own words, without the place in its code that they come from."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


@contextlib.contextmanager
def _sigterm_raises(exception: type[BaseException]) -> Iterator[None]:
    def handle(_number: int, _frame: Any) -> None:
        raise exception

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
