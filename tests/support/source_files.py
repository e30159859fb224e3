"""Sources of images in the exact formats of the published ones, made for tests."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image

from experiments.sources import celeba, cifar10

ROWS = 20
"""Images of a batch of CIFAR-10 in tests; there they are 10,000."""


def pixels(count, height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


def encoded(image, form="png", **options):
    """An image file's content."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, form, **options)
    return buffer.getvalue()


def write_idx(folder, images, labels, prefix="train", packed=True):
    """A pair of files as MNIST has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("images-idx3", images), ("labels-idx1", labels)):
        content = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
        content += values.astype(np.uint8).tobytes()
        path = folder / f"{prefix}-{name}-ubyte"
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            path.write_bytes(content)
    return folder


def python_2_batch(images, labels, name):
    """A batch as Python 2 and its NumPy have pickled it, opcode by opcode: protocol 2, text without an encoding."""
    out = bytearray(pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK)

    def text(value):
        value = value.encode("latin1") if isinstance(value, str) else value
        short = len(value) < 256
        return (
            pickle.SHORT_BINSTRING + bytes([len(value)]) if short else pickle.BINSTRING + struct.pack("<i", len(value))
        ) + value

    def called(module, name):
        return pickle.GLOBAL + f"{module}\n{name}\n".encode()

    values = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    out += text("batch_label") + text(name)
    out += text("labels") + pickle.EMPTY_LIST + pickle.MARK
    out += b"".join(pickle.BININT1 + bytes([label]) for label in labels) + pickle.APPENDS
    out += text("data") + called("numpy.core.multiarray", "_reconstruct")
    out += (
        called("numpy", "ndarray") + pickle.BININT1 + b"\0" + pickle.TUPLE1 + text("b") + pickle.TUPLE3 + pickle.REDUCE
    )
    out += pickle.MARK + pickle.BININT1 + b"\1"
    out += b"".join(pickle.BININT + struct.pack("<i", size) for size in values.shape) + pickle.TUPLE2
    out += called("numpy", "dtype") + text("u1") + pickle.BININT1 + b"\0" + pickle.BININT1 + b"\1" + pickle.TUPLE3
    out += pickle.REDUCE + pickle.MARK + pickle.BININT1 + b"\3" + text("|") + pickle.NONE * 3
    out += pickle.BININT + struct.pack("<i", -1) + pickle.BININT + struct.pack("<i", -1) + pickle.BININT1 + b"\0"
    out += pickle.TUPLE + pickle.BUILD + pickle.NEWFALSE + text(values.tobytes()) + pickle.TUPLE + pickle.BUILD
    out += text("filenames") + pickle.EMPTY_LIST + pickle.SETITEMS + pickle.STOP
    return bytes(out)


def binary_batch(images, labels, _name):
    """A batch of the binary version."""
    values = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels[:, None].astype(np.uint8), values], axis=1).tobytes()


def cifar10_files(binary=False, write=None):
    """Names and contents of all batches, and images and labels of each part."""
    images, labels = pixels(6 * ROWS, 32, 32, 3), np.arange(6 * ROWS) % 10
    write = write or (binary_batch if binary else python_2_batch)
    folder, end = ("cifar-10-batches-bin", ".bin") if binary else ("cifar-10-batches-py", "")
    files = {}
    for number, name in enumerate([*cifar10.PARTS["train"], *cifar10.PARTS["test"]]):
        here = slice(number * ROWS, (number + 1) * ROWS)
        files[f"{folder}/{name}{end}"] = write(images[here], labels[here], name)
    files[f"{folder}/readme.html"] = b"<html></html>"
    split = 5 * ROWS
    return files, {"train": (images[:split], labels[:split]), "test": (images[split:], labels[split:])}


def write_tar(path, files, mode="w:gz"):
    """An archive, with its folders, the files in no order."""
    options = {"compresslevel": 1} if mode == "w:gz" else {}
    with tarfile.open(path, mode, **options) as archive:
        for name in sorted(files, key=lambda each: each[::-1]):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return path


def unpack(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def celeba_files(count=9):
    """Names and contents of aligned images, smooth so that JPEG keeps them, and the partition."""
    rows, columns = np.mgrid[: celeba.HEIGHT, : celeba.WIDTH]
    images = np.stack([np.stack([rows, columns, np.full_like(rows, 20 * n)], -1) for n in range(count)]).astype(
        np.uint8
    )
    names = [f"{number:06}.jpg" for number in range(1, count + 1)]
    files = {
        f"{celeba.IMAGES}/{name}": encoded(image, "jpeg", quality=100, subsampling=0)
        for name, image in zip(names, images, strict=True)
    }
    partition = "".join(f"{name} {number * 3 // count}\n" for number, name in enumerate(names)).encode()
    return files, partition, images


def write_lsun(folder, values, keys=None):
    """An export, by LMDB itself."""
    import lmdb

    folder.mkdir(parents=True, exist_ok=True)
    keys = keys or [f"{number:040x}".encode() for number in range(len(values))]
    with lmdb.open(str(folder), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for key, value in zip(keys, values, strict=True):
            transaction.put(key, value)
    return folder
