"""What each command of ``python -m experiments`` does."""

from __future__ import annotations

import argparse
import functools
import importlib
import io
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coulombfield.rng import Streams

from . import UserError, config, forms, networks, registry, trained
from .data_commands import check as check_data
from .data_commands import prepare as prepare_data
from .evaluation import fid, figure_three
from .files import write_atomically
from .ranks.world import world
from .runs import comparison, comparison_page, life, seeds, tensorboard
from .runs.folder import RunFolder
from .runs.life import StoppedError, Terminated
from .tables import collection

__all__ = [
    "StoppedError",
    "Terminated",
    "check_data",
    "compare",
    "describe_networks",
    "event_files",
    "export",
    "feature_distance",
    "figure_3",
    "import_own",
    "import_weights",
    "list_presets",
    "prepare_data",
    "rebuild_report",
    "resume",
    "run",
    "sample",
    "table",
]

SAMPLES = 10_000  # by default; of images in one picture, as many as the paper's figures show
PICTURED_IMAGES = 100

say = functools.partial(print, flush=True)


def import_own(name: str) -> None:
    """Import a module from outside, so that configurations may name it."""
    try:
        importlib.import_module(name)
    except (ImportError, ValueError, TypeError) as error:
        raise UserError(f"--import: {name!r} can't be imported ({error})") from error


def list_presets(_arguments: argparse.Namespace) -> None:
    """Print name and title of every preset."""
    names = config.preset_names()
    width = max(map(len, names), default=0)
    for name in names:
        print(f"{name:{width}}  {config.read(config.find(name)).get('title', '')}")


def run(arguments: argparse.Namespace) -> None:
    """Train from the start, in a new folder; with several seeds, one run for each."""
    if arguments.seeds:
        if arguments.seed is not None or any(text.partition("=")[0].strip() == "seed" for text in arguments.set):
            raise UserError("--seeds: expected without another seed, by --seed or --set")
        options = {"say": say, "source": arguments.source}
        seeds.complete(arguments.name, arguments.seeds, arguments.out, arguments.device, arguments.set, **options)
        return
    seed = [] if arguments.seed is None else [f"seed={arguments.seed}"]
    ranks = world()
    setup = ranks.together(lambda: config.resolve(arguments.name, [*arguments.set, *seed]))
    if ranks.first:
        say(setup.text())
    life.start(setup, arguments.out, arguments.device, say, source=arguments.source)


def resume(arguments: argparse.Namespace) -> None:
    """Continue a run bit for bit from its last good checkpoint, or from its start if it has none."""
    life.resume(arguments.folder, say, arguments.set)


def sample(arguments: argparse.Namespace) -> None:
    """Draw samples into a file, or a picture of them."""
    place: Path = arguments.folder
    if arguments.out:
        _check_parent(arguments.out)
    if not place.is_file():
        folder = RunFolder.open(place)
        setup = config.resolve(folder.config)
        if not hasattr(setup.config, "gan"):
            _sample_experiment(folder, setup, arguments)
            return
    gan = trained.load(arguments.checkpoint or place, arguments.device)
    encoders = forms.encoders(gan.facts)
    out = _samples_file(arguments, (*encoders, ".npy", ".csv", ".png"))
    count = arguments.count
    if count is None:
        count = PICTURED_IMAGES if out.suffix == ".png" and gan.form == "images" else SAMPLES
    _check_addressable(count)
    samples = gan.sample(count, arguments.seed)
    if out.suffix == ".png":
        try:
            registry.find("figures", gan.form, "picture").picture(out, samples)
        except registry.KindError as error:
            files = " or ".join((*encoders, ".npy", ".csv"))
            raise UserError(f"--out: there are no pictures of {gan.form}; expected {files}") from error
    elif out.suffix in encoders:
        write_atomically(out, encoders[out.suffix](samples, gan.facts))
    else:
        write_atomically(out, _encode(samples, out.suffix))
    print(out)


def _samples_file(arguments: argparse.Namespace, suffixes: Sequence[str]) -> Path:
    """Where samples go: the file that was asked for, or one beside them whose name ends as the first of these."""
    place: Path = arguments.folder
    out: Path = arguments.out or (place if place.is_dir() else place.parent) / f"samples{suffixes[0]}"
    if out.suffix not in suffixes:
        expected = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise UserError(f"--out: expected a name that ends in {expected}, got {str(out)!r}")
    return out


def _sample_experiment(folder: RunFolder, setup: config.Setup, arguments: argparse.Namespace) -> None:
    """Draw samples of an experiment without a GAN, from a checkpoint."""
    out = _samples_file(arguments, (".npy", ".csv", ".png"))
    if out.suffix == ".png":
        raise UserError("--out: there are no pictures of this experiment's samples; expected .npy or .csv")
    experiment, _ = life.restored(folder, setup, say, arguments.checkpoint)
    seed = setup.config.seed if arguments.seed is None else arguments.seed
    count = SAMPLES if arguments.count is None else arguments.count
    _check_addressable(count)
    samples = experiment.sample(count, Streams(seed).stream(trained.SAMPLE_STREAM))
    write_atomically(out, _encode(samples, out.suffix))
    print(out)


def export(arguments: argparse.Namespace) -> None:
    """Write a player's network in the format of other programs."""
    place: Path = arguments.folder
    folder = place if place.is_dir() else place.parent
    out = arguments.out or folder / f"{arguments.player}.{arguments.to}"
    _check_parent(out)
    if out.suffix != f".{arguments.to}":
        raise UserError(f"--out: expected a name that ends in .{arguments.to}, got {str(out)!r}")
    gan = trained.load(arguments.checkpoint or place)
    files = {out: trained.export(gan, arguments.to, arguments.player)}
    if arguments.to == "safetensors":
        module, text = out.with_suffix(".py"), trained.torch_module(gan, arguments.player)
        if module.exists() and not module.read_bytes().startswith(text.partition("(")[0].encode()):
            raise UserError(f"{module}: is there, and no module of an export, which would take its place")
        files[module] = text.encode()
    for path, content in files.items():
        write_atomically(path, content)
        print(path)


def import_weights(arguments: argparse.Namespace) -> None:
    """Make a file that ``load``, ``sample`` and ``run --from`` take of weights in the format of other programs."""
    source, out = arguments.source, arguments.out
    if out.suffix != ".h5" or out.exists():
        raise UserError(f"--out: expected the name of a new .h5 file, got {str(out)!r}")
    _check_parent(out)
    path = Path(source)
    gan = trained.load(path) if path.is_dir() or path.suffix == ".h5" else trained.of_setup(config.resolve(source))
    trained.replace(gan, arguments.weights, out, arguments.player)
    print(out)


def rebuild_report(arguments: argparse.Namespace) -> None:
    """Write summary, figures and report again, as of the last good checkpoint."""
    life.report_again(arguments.folder, say)


def compare(arguments: argparse.Namespace) -> None:
    """Write a page with several runs beside each other."""
    runs = comparison.read(arguments.folders)
    out = arguments.out or Path("runs") / f"comparison-{time.strftime('%Y%m%d-%H%M%S')}"
    page = comparison_page.publish(runs, out)
    for row in comparison.rows(runs):
        say(f"{row.name:28} n = {len(row.runs)}  {row.state}".rstrip())
    say(str(page))


def event_files(arguments: argparse.Namespace) -> None:
    """Write the metrics of a run as TensorBoard's event files."""
    say(str(tensorboard.convert(RunFolder.open(arguments.folder), arguments.out)))


def feature_distance(arguments: argparse.Namespace) -> None:
    """Print the Fréchet distance of two sets of images."""
    places = [place for place in (arguments.first, arguments.second) if place is not None]
    if arguments.save_statistics is not None:
        _check_new_statistics(arguments.save_statistics)
    fid.compare(places, arguments.features, arguments.weights, arguments.samples, arguments.save_statistics, say)


def _check_new_statistics(path: Path) -> None:
    _check_parent(path, "--save-statistics")
    if path.suffix != ".npz":
        raise UserError(f"--save-statistics: expected a name that ends in .npz, got {str(path)!r}")
    if path.exists():
        raise UserError(f"--save-statistics: {path} is there already")


def figure_3(arguments: argparse.Namespace) -> None:
    """Look for similar pairs among generated images."""
    RunFolder.open(arguments.folder)
    out = arguments.out or arguments.folder / "figure-3.png"
    _check_parent(out)
    if out.suffix != ".png":
        raise UserError(f"--out: expected a name that ends in .png, got {str(out)!r}")
    figure_three.publish(arguments.folder, out, arguments.batches, arguments.size, arguments.duplicate, say)


def table(arguments: argparse.Namespace) -> None:
    """Make a table or figure of the paper from many runs."""
    kind = arguments.name.replace("-", "_")
    kind = kind if kind.isidentifier() else f"table_{kind}"  # the paper's own name of its table 1b is 1b
    if kind in registry.kinds("tables", "assemble"):
        _assemble(registry.find("tables", kind, "assemble"), arguments)
        return
    try:
        module = registry.find("tables", kind, "publish")
    except registry.KindError as error:
        kinds = [*registry.kinds("tables", "publish"), *registry.kinds("tables", "assemble")]
        names = ", ".join(kind.removeprefix("table_").replace("_", "-") for kind in sorted(kinds))
        raise UserError(f"unknown table {arguments.name!r}; expected one of {names}") from error
    _complete(module, arguments)


def _assemble(module: types.ModuleType, arguments: argparse.Namespace) -> None:
    """Make a table of the finished runs that there are; its runs take too long to be started here."""
    if arguments.set:
        raise UserError(f"--set: table {arguments.name} runs nothing; give it to the runs that it shows")
    if arguments.plan:
        raise UserError(f"--plan: table {arguments.name} runs nothing; without it, it says what has not been run")
    out = arguments.out or Path("runs")
    if not out.is_dir() or RunFolder(out).config.exists():
        raise UserError(f"--out: expected a folder with run folders, got {str(out)!r}")
    say(str(module.assemble(out, say)))


def _complete(module: types.ModuleType, arguments: argparse.Namespace) -> None:
    """Run what is missing for a table, go on with what was stopped, and reuse what is there."""
    out = arguments.out or Path("runs") / arguments.name
    runs = collection.members({name: (name, arguments.set) for name in module.presets()}, out)
    say(f"{out}:")
    collection.plan(runs, arguments.device, arguments.jobs, say)
    if arguments.plan:
        return
    collection.complete(runs, arguments.device, arguments.jobs, say)
    for line in module.lines(runs):
        say(line)
    say(str(module.publish(runs, out)))


def describe_networks(arguments: argparse.Namespace) -> None:
    """Print a table of each network's layers."""
    for line in networks.describe(arguments.names, arguments.size):
        print(line)


def _check_parent(out: Path, option: str = "--out") -> None:
    if not out.parent.is_dir():
        raise UserError(f"{option}: no such folder: {out.parent}")


def _encode(samples: np.ndarray, suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, samples)
        return buffer.getvalue()
    if samples.ndim != 2:
        raise UserError(f"--out: samples of shape {samples.shape[1:]} need .npy; .csv holds points")
    header = ",".join(f"x{axis + 1}" for axis in range(samples.shape[1]))
    digits = 9 if samples.dtype == np.float32 else 17  # enough to read the same numbers back
    np.savetxt(buffer, samples, delimiter=",", header=header, comments="", fmt=f"%.{digits}g")
    return buffer.getvalue()


def _check_addressable(count: int) -> None:
    """Raise where no memory could hold so many samples; NumPy's own error then depends on who is asked first."""
    if count > sys.maxsize // 2**20:
        raise MemoryError(f"{count} samples")
