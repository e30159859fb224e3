#!/usr/bin/env bash
# MDAnalysis 2.11.0 can't open an H5MD file whose units are strings of fixed length, as H5MD 1.1's units module has them.
#
# The reader compares the attribute "unit" with its own texts. h5py 3.16 gives a string attribute of variable length as
# str, but one of fixed length as bytes, which are equal to no str: the reader then takes the file for one of foreign
# units and refuses it with RuntimeError, also with convert_units=False. The same file with variable-length strings, or
# without units and opened with convert_units=False, is read.
#
# Seen: "fixed: RuntimeError", "variable: reads", "none, convert_units=False: reads". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q "MDAnalysis==2.11.0" "h5py==3.16.0" "numpy<3" 2> /dev/null
cat > check.py <<'PYTHON'
import sys
import warnings

import h5py
import MDAnalysis
import numpy as np

warnings.simplefilter("ignore")
print("MDAnalysis", MDAnalysis.__version__, "h5py", h5py.__version__)


def write(name, string):
    """A trajectory of two particles and three frames; ``string`` makes the value of an attribute, None for no units."""
    with h5py.File(name, "w") as file:
        header = file.create_group("h5md")
        header.attrs["version"] = (1, 1)
        for part in ("author", "creator"):
            header.create_group(part).attrs["name"] = np.bytes_("n")
        header["creator"].attrs["version"] = np.bytes_("1")
        element = file.create_group("particles/all/position")
        element["step"] = np.arange(3)
        element["time"] = np.arange(3.0)
        element["value"] = np.zeros((3, 2, 3))
        box = file.create_group("particles/all/box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = np.array([b"none"] * 3)
        if string is not None:
            element["value"].attrs["unit"] = string("Angstrom")
            element["time"].attrs["unit"] = string("ps")


def outcome(name, string, **options):
    write(name, string)
    try:
        universe = MDAnalysis.Universe.empty(2, trajectory=False)
        universe.load_new(name, format="H5MD", **options)
        return "reads" if len(universe.trajectory) == 3 else "other frames"
    except Exception as error:
        return type(error).__name__


found = {
    "fixed": outcome("fixed.h5md", np.bytes_),
    "fixed, convert_units=False": outcome("fixed_too.h5md", np.bytes_, convert_units=False),
    "variable": outcome("variable.h5md", str),
    "none, convert_units=False": outcome("none.h5md", None, convert_units=False),
}
for name, result in found.items():
    print(f"{name}: {result}")
sys.exit(list(found.values()) != ["RuntimeError", "RuntimeError", "reads", "reads"])
PYTHON
venv/bin/python check.py
