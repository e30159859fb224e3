"""Figure 2: images of the Coulomb GAN trained on CelebA, LSUN bedrooms and CIFAR-10, as run folders have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import trained
from ..figures.images import image_grid
from ..files import write_atomically
from ..page import element, page, picture
from . import assembled
from .table_1b import DATA, command

ROWS, COLUMNS = 4, 10
TITLE = "Figure 2: images of the Coulomb GAN"
SAID = "Samples in the order in which they are drawn, none chosen, clipped to the range of the data."


def assemble(out: Path, say: Callable[[str], None]) -> Path:
    """Write a grid of samples for each data set, and a page with all of them, and return the page.

    Parameters
    ----------
    out : Path
        Folder with the run folders, in which pictures and page go.
    say : callable
        Is told where each grid comes from, and what has not been run.
    """
    found = assembled.find(DATA, out, say)
    body = [element("h1", TITLE), element("p", SAID)]
    for name, title in DATA.items():
        runs = assembled.longest(found[name], "updates")
        if not runs:
            text = f"not run: {command(name, name)}"
            say(f"{title}: {text}")
            body += [element("h2", title), element("p", text)]
            continue
        run = runs[0]
        file = out / f"figure-2-{name}.png"
        image_grid(file, trained.load(run.folder.path).sample(ROWS * COLUMNS), COLUMNS)
        differ = assembled.differences(run)
        text = f"{run.folder.path}, {run.summary['updates']} updates{f'; {differ}' if differ else ''}."
        say(f"{title}: {file} of {text}")
        body.append(picture(title, text, file.read_bytes()))
    path = out / "figure-2.html"
    write_atomically(path, page(TITLE, body))
    return path
