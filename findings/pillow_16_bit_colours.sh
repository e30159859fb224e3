#!/usr/bin/env bash
# Pillow 13.0.0 opens a PNG of 16 bits a channel as 8 bits if it has colours or alpha, and as 16 if it is grey.
#
# For RGB, RGBA and grey with alpha, Image.open gives the modes RGB and RGBA with the upper 8 bits of each value, and
# neither a warning nor anything in info says that the file had 16. Grey alone keeps them, in mode I;16, whose conversion
# to L or RGB clips at 255 instead of taking the upper bits: 0x8000, middle grey, becomes white.
#
# Seen: "grey: I;16, 32768, converted to L 255", "RGB: RGB, (128, 128, 128)", "grey and alpha: RGBA, (128, 128, 128, 255)". Fails if
# that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q "Pillow==13.0.0" 2> /dev/null
cat > check.py <<'PYTHON'
import io
import struct
import sys
import warnings
import zlib

import PIL
from PIL import Image

warnings.simplefilter("error")
print("Pillow", PIL.__version__)


def png(kind, *values):
    """One pixel of 16 bits a channel; ``kind`` is PNG's colour type."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, kind, 0, 0, 0)
    row = b"\0" + struct.pack(f">{len(values)}H", *values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


middle = 0x8000
grey = opened(png(0, middle))
colour = opened(png(2, middle, middle, middle))
both = opened(png(4, middle, 0xFFFF))
found = {
    "grey": (grey.mode, grey.getpixel((0, 0)), grey.convert("L").getpixel((0, 0))),
    "RGB": (colour.mode, colour.getpixel((0, 0))),
    "grey and alpha": (both.mode, both.getpixel((0, 0))),
}
for name, result in found.items():
    print(f"{name}: {result}")
expected = [("I;16", 32768, 255), ("RGB", (128, 128, 128)), ("RGBA", (128, 128, 128, 255))]
sys.exit(list(found.values()) != expected)
PYTHON
venv/bin/python check.py
