"""Files of weights: what is in them is read, and whatever is wrong with them is one line."""

import io
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from weight_files_support import (
    FORMATS,
    TENSORS,
    WEIGHT,
    constant,
    dictionary,
    field,
    legacy_torch,
    name,
    number,
    ordered,
    pickle,
    safetensors,
    state_dict,
    storage,
    tensor,
    text,
    torch_archive,
    tuple_of,
    varint,
    zip_of,
)

from experiments import UserError
from experiments.exports import from_safetensors
from experiments.weight_files import WeightFileError, archives, read_weights
from nets.layers.linear import Linear
from nets.network import Network, Sequential

pytest.importorskip("safetensors")
LEGACY_STORAGE, STORAGE = (storage("0", "FloatStorage", 6, legacy=legacy) for legacy in (True, False))


def read(tmp_path, data):
    """Read bytes as a file whose name says nothing."""
    (tmp_path / "weights").write_bytes(data)
    return read_weights(tmp_path / "weights")


def outcome(tmp_path, data):
    """What a file holds, or the message that it is refused by, which is one line with the file's name."""
    try:
        return read(tmp_path, data)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert message.startswith(f"{tmp_path / 'weights'}")
    return message


def message_of(tmp_path, data):
    message = outcome(tmp_path, data)
    assert isinstance(message, str)
    return message


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for label, array in expected.items():
        np.testing.assert_array_equal(found[label], array, strict=True)
        assert not found[label].flags.writeable


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_is_told_by_what_is_in_the_file(tmp_path, form):
    assert_same(read(tmp_path, FORMATS[form]()), TENSORS)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_file_is_one_line_or_has_fewer_constants(tmp_path, form):
    data = FORMATS[form]()
    for length in range(len(data)):
        found = outcome(tmp_path, data[:length])
        if not isinstance(found, str):  # between two nodes a graph may end
            assert form == "graph"
            assert len(found) < len(TENSORS) or length >= len(data) - 4


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_a_flipped_bit_is_one_line_or_another_number(tmp_path, form):
    data = FORMATS[form]()
    for place in range(len(data)):
        for bit in (place % 8, (place + 5) % 8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            outcome(tmp_path, bytes(flipped))


@pytest.mark.parametrize("form", FORMATS)
def test_what_follows_the_end_of_a_file(tmp_path, form):
    data = FORMATS[form]() + b"\xff\xff\xff\xff"
    if form in ("archive", "npz"):  # a zip archive may be followed by a comment
        assert_same(read(tmp_path, data), TENSORS)
    else:
        assert "damaged" in message_of(tmp_path, data)


def encrypted(data):
    """A zip archive whose directory says so of its first member."""
    place = data.index(b"PK\x01\x02") + 8
    return data[:place] + b"\x01" + data[place + 1 :]


def npy(dtype, shape):
    """An npz of one array of 24 bytes whose header says so."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return zip_of({"a.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(24)})


RUN = name("os", "system") + tuple_of(text("touch executed")) + b"R"
VAST = tensor(STORAGE, 0, (2**31 - 1,) * 9, (0,) * 9)
HOSTILE = {
    "a function to call": (torch_archive(RUN), "names 'os.system', which no weights need"),
    "a function to call, in the old format": (legacy_torch(RUN), "names 'os.system', which no weights need"),
    "an import by two texts": (torch_archive(text("os") + text("system") + b"\x93"), "names 'os.system'"),
    "an object": (torch_archive(name("torch", "FloatStorage") + b")\x81"), "the instruction NEWOBJ, which"),
    "an extension": (torch_archive(b"\x82\x01"), "the instruction EXT1, which"),
    "a place in memory that is far away": (torch_archive(text("a") + b"r\xff\xff\xff\xff"), "without tensors"),
    "bytes without end": (torch_archive(b"\x8e" + struct.pack("<Q", 2**62)), "damaged PyTorch archive"),
    "a text without end": (torch_archive(b"X\xff\xff\xff\xff"), "damaged PyTorch archive"),
    "a key that goes deep": (torch_archive(b"}" + b")" + b"\x85" * 10**5 + b"Ns"), "a key of the type tuple"),
    "a value that goes deep": (torch_archive(b")" + b"\x85" * 10**5), "without tensors"),
    "a tensor as large as can be": (torch_archive(ordered({"a": VAST})), "numbers in a storage of 6"),
    "an empty tensor as large as can be": (
        torch_archive(ordered({"a": tensor(STORAGE, 0, (0, 2**31 - 1, 2**31 - 1), (1, 1, 1))})),
        "damaged PyTorch archive",
    ),
    "strides beyond the storage": (torch_archive(ordered({"a": tensor(STORAGE, 0, (2, 3), (4, 1))})), "to number 6"),
    "an offset beyond the storage": (torch_archive(ordered({"a": tensor(STORAGE, 6, (), ())})), "to number 6"),
    "an offset before it": (torch_archive(ordered({"a": tensor(STORAGE, -1, (2,), (1,))})), "-1 where it needs a size"),
    "a stride before it": (torch_archive(ordered({"a": tensor(STORAGE, 5, (2,), (-1,))})), "-1 where it needs a size"),
    "a storage that is too long": (
        torch_archive(ordered({"a": tensor(storage("0", "FloatStorage", 7, legacy=False), 0, (7,), (1,))})),
        "model/data/0 has 24 bytes, not 28",
    ),
    "a storage that is not there": (
        torch_archive(ordered({"a": tensor(storage("7", "FloatStorage", 6, legacy=False), 0, (6,), (1,))})),
        "model/data/7 is missing",
    ),
    "one storage of two kinds": (
        torch_archive(ordered({"a": tensor(STORAGE, 0, (), ()), "b": storage("0", "HalfStorage", 6, legacy=False)})),
        "storage '0' in two ways",
    ),
    "numbers of another kind": (
        torch_archive(storage("0", "ComplexFloatStorage", 3, legacy=False)),
        "torch.ComplexFloat",
    ),
    "a whole module": (torch_archive(name("__main__", "Net")), "names '__main__.Net', which no weights need"),
    "more pops than pushes": (torch_archive(b"s"), "the pickle takes more than it has"),
    "a memory that is empty": (torch_archive(b"h\x07"), "number 7 of its memory"),
    "a mark that is taken for a dictionary": (torch_archive(b"(" + text("a") + b"Ns"), "takes more|a _Mark where"),
    "no tensors": (torch_archive(dictionary({"epoch": number(3)})), "a PyTorch file without tensors"),
    "another magic number": (pickle(b"M\xe9\x03") + pickle(b"M\xe9\x03"), "its magic number is 1001"),
    "another protocol": (legacy_torch().replace(b"\x80\x02M\xe9\x03.", b"\x80\x02M\xea\x03."), "its protocol is 1002"),
    "a part of a storage": (
        legacy_torch(ordered({"a": tensor(LEGACY_STORAGE.replace(b"Nt", tuple_of(text("1")) + b"t"), 0, (), ())})),
        "a storage that is a part of another",
    ),
    "two pickles": (zip_of({"a/data.pkl": b"", "b/data.pkl": b""}), "expected one data.pkl, got 2"),
    "numbers turned around": (
        zip_of({"data.pkl": pickle(b"}"), "byteorder": b"middle"}),
        "its byte order is b'middle'",
    ),
    "a graph's field without end": (varint(1 << 3 | 2) + varint(2**63), "bytes before the end of a field of"),
    "a graph's number without end": (varint(1 << 3 | 2) + b"\xff" * 11, "a number has more than ten bytes"),
    "a constant as large as can be": (constant("a", 1, (2**39,) * 30, field(4, b"1234")), "1 numbers for the shape"),
    "a constant of one number, as large as can be": (
        constant("a", 1, (2**39,) * 3, varint(5 << 3 | 5) + b"1234"),
        "constant 'a': ",
    ),
    "a constant of two numbers, as large as can be": (
        constant("a", 1, (2**39,), field(5, b"12345678")),
        "2 numbers for the shape (549755813888,)",
    ),
    "a constant with too many numbers": (constant("a", 1, (1,), field(5, b"12345678")), "2 numbers for the shape (1,)"),
    "a constant of a negative size": (constant("a", 1, (-1,), b""), "has the shape (-1,)"),
    "a constant with many axes": (constant("a", 1, (1,) * 33, b""), "has the shape"),
    "a constant of an unknown kind": (constant("a", 77, (1,), b""), "numbers of the unknown kind 77"),
    "half a number": (constant("a", 1, (1,), field(4, b"123")), "constant 'a': "),
    "a constant twice": (2 * constant("a", 1, (), b""), "two constants are called 'a'"),
    "a graph that is not frozen": (field(1, field(2, b"Variable")), "a GraphDef of 1 nodes without constants"),
    "a graph's group": (b"\x0a\x02\x0b\x0c", "a field has the wire type 3"),
    "a header as large as can be": (struct.pack("<Q", 2**62) + b"{" + bytes(100), "not a safetensors file"),
    "numbers that NumPy lacks": (safetensors().replace(b'"I64"', b'"C64"'), "safetensors file"),
    "an array as large as can be": (npy("'<f4'", (2**40, 2**40)), "has 24 bytes for the shape"),
    "an array that is turned inside out": (npy("'<f4'", (-2, -3)), "has 24 bytes for the shape (-2, -3)"),
    "an array of objects": (npy("'|O'", (3,)), "a.npy: has object in place of numbers"),
    "an array of records": (npy("[('a', '<f4')]", (6,)), "in place of numbers"),
    "an array with a program for a header": (npy("__import__('os')", (6,)), "a.npy: "),
    "an array of the future": (npy("'<f4'", (6,)).replace(b"NUMPY\x01", b"NUMPY\x09"), "Bad CRC-32"),
    "a bit of a zip archive's storage": (
        torch_archive().replace(WEIGHT.tobytes(), (-WEIGHT).tobytes()),
        "damaged PyTorch archive: Bad CRC-32 for file 'model/data/0'",
    ),
    "an encrypted archive": (encrypted(torch_archive()), "encrypted"),
    "an archive of nothing": (zip_of({}), "no file of weights|an archive with 0"),
    "an archive of other things": (zip_of({"README": b"text"}), "an archive with 0 files of weights"),
    "an archive of two": (zip_of({"a.pth": legacy_torch(), "b\n.pb": b""}), "2 files of weights: 'a.pth', 'b\\n.pb'"),
    "an archive in an archive": (zip_of({"a.pth": zip_of({"b.pth": b""})}), "an archive within an archive"),
    "nothing": (b"", ": empty"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
    "a web page": (b"<!DOCTYPE html><title>404</title>", "a web page"),
    "a text": (b"Weights are where they are.\n", "begins with b'Weights '"),
    "a graph as text": (b'node {\n  name: "a"\n}\n', "a GraphDef as text"),
    "an empty line": (b"\n\n\n", "damaged GraphDef, or no file of weights"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_hostile_or_something_else_is_one_line(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    data, expected = HOSTILE[what]
    tracemalloc.start()
    try:
        message = message_of(tmp_path, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(part in message for part in expected.split("|")), message
    assert not (tmp_path / "executed").exists()
    assert peak < 50 * len(data) + 2**22  # what a file says it holds would be gigabytes


def test_what_is_no_file_is_one_line(tmp_path):
    for path, expected in ((tmp_path, "not a file"), (tmp_path / "missing", "can't be read: No such file")):
        with pytest.raises(WeightFileError, match=expected):
            read_weights(path)


@pytest.mark.parametrize("form", ["archive", "npz", "wheel", "tar"])
def test_what_unpacks_to_more_than_weights_have_is_refused(tmp_path, monkeypatch, form):
    monkeypatch.setattr(archives, "LARGEST", 2**16)
    bomb = bytes(2**20)
    data = {
        "archive": zip_of({"model/data.pkl": bomb}, zipfile.ZIP_DEFLATED),
        "npz": zip_of({"a.npy": bomb}, zipfile.ZIP_DEFLATED),
        "wheel": zip_of({"a.pth": bomb}, zipfile.ZIP_DEFLATED),
        "tar": tar_of({"a.pth": bomb}),
    }[form]
    assert "more than 65536" in message_of(tmp_path, data)


def tar_of(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for label, data in members.items():
            info = tarfile.TarInfo(label)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_the_archive_that_a_package_is_may_be_given(tmp_path, form):
    suffix = {"graph": ".pb", "safetensors": ".safetensors", "npz": ".npz"}.get(form, ".pth")
    members = {"package/__init__.py": b"import os", f"package/models/net{suffix}": FORMATS[form]()}
    assert_same(read(tmp_path, zip_of(members, zipfile.ZIP_DEFLATED)), TENSORS)
    assert_same(read(tmp_path, tar_of(members)), TENSORS)
    damaged = {f"net{suffix}": FORMATS[form]()[:-5]}
    assert f"net{suffix}" in message_of(tmp_path, zip_of(damaged))
    for data in (tar_of(members), zip_of(members, zipfile.ZIP_DEFLATED)):
        for length in range(0, len(data), 7):
            message_of(tmp_path, data[:length])


def test_a_dictionary_of_tensors_may_lie_in_another_one(tmp_path):
    whole = dictionary({"epoch": number(3), "model": state_dict(legacy=False), "names": b"](" + text("a") + b"e"})
    assert_same(read(tmp_path, torch_archive(whole)), TENSORS)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "place", "numbers"),
    [
        (1, 5, np.array([0.5, -2, 7], "f4")),
        (2, 6, np.array([0.5, -2, 7], "f8")),
        (3, 7, np.array([0, -2, 7], "i4")),
        (4, 7, np.array([0, 200, 7], "u1")),
        (5, 7, np.array([0, -2, 7], "i2")),
        (6, 7, np.array([0, -2, 7], "i1")),
        (9, 10, np.array([0, -(2**62), 7], "i8")),
        (10, 11, np.array([True, False, True])),
        (17, 7, np.array([0, 2**15, 7], "u2")),
        (19, 13, np.array([0.5, -2, 7], "f2")),
        (22, 16, np.array([0, 2**31, 7], "u4")),
        (23, 17, np.array([0, 2**63, 7], "u8")),
    ],
)
def test_values_of_a_constant_one_by_one_and_packed(tmp_path, kind, place, numbers, packed):
    if kind in (1, 2):
        values, wire = [number.tobytes() for number in numbers], {1: 5, 2: 1}[kind]
    else:
        bits = numbers.view("u2") if kind == 19 else numbers
        values, wire = [varint(int(number)) for number in bits], 0
    each = b"".join(varint(place << 3 | wire) + value for value in values)
    data = constant("a", kind, (3,), field(place, b"".join(values)) if packed else each)
    assert_same(read(tmp_path, data), {"a": numbers})
    raw = constant("a", kind, (3,), field(4, numbers.tobytes()))
    assert_same(read(tmp_path, raw), {"a": numbers})


def test_one_value_of_a_constant_stands_for_many_and_none_for_zeros(tmp_path):
    half = field(5, np.float32(0.5).tobytes())
    two = field(5, np.array([0.5, 3], "f4").tobytes())
    expected = [(half, np.full((2, 3), 0.5, "f4")), (b"", np.zeros((2, 3), "f4"))]
    expected.append((two, np.array([[0.5, 3, 3], [3, 3, 3]], "f4")))
    for values, numbers in expected:
        assert_same(read(tmp_path, constant("a", 1, (2, 3), values)), {"a": numbers})
    vast = read(tmp_path, constant("a", 1, (2**20, 2**20), half))["a"]
    assert vast.strides == (0, 0)


def test_constants_without_numbers_are_left_out(tmp_path):
    words = constant("words", 7, (1,), field(8, b"text"))
    assert_same(read(tmp_path, words + constant("a", 1, (), field(5, bytes(4)))), {"a": np.zeros((), "f4")})


def test_bfloat16_of_every_format_becomes_float32(tmp_path):
    halves = struct.pack("<3H", 0x3F80, 0xC000, 0x0001)  # 1, -2 and the smallest
    numbers = np.array([1, -2, 2.0**-133], "f4")
    where = storage("0", "BFloat16Storage", 3, legacy=False)
    archive = zip_of({"data.pkl": pickle(ordered({"a": tensor(where, 0, (3,), (1,))})), "data/0": halves})
    header = b'{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    for data in (
        archive,
        constant("a", 14, (3,), field(4, halves)),
        constant("a", 14, (3,), field(13, b"".join(map(varint, (0x3F80, 0xC000, 1))))),
        struct.pack("<Q", len(header)) + header + halves,
    ):
        np.testing.assert_array_equal(read(tmp_path, data)["a"], numbers, strict=True)


def test_bfloat16_of_a_safetensors_file_is_read_into_a_network():
    header = (
        b'{"0.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},'
        b'"0.bias":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}'
    )
    data = struct.pack("<Q", len(header)) + header + struct.pack("<3H", 0x3F80, 0xC000, 0x4040)
    params = from_safetensors(Network(Sequential([Linear(2, 1)])), data, (2,))
    np.testing.assert_array_equal(params.vector, [1, -2, 3])


@pytest.mark.parametrize("big", [False, True])
def test_bytes_of_a_number_in_either_order(tmp_path, big):
    order = ">" if big else "<"
    numbers = np.array([1.5, -2, 7], "f4")
    where = storage("0", "FloatStorage", 3, legacy=False)
    whole = pickle(ordered({"a": tensor(where, 0, (3,), (1,))}))
    data = zip_of(
        {"data.pkl": whole, "byteorder": b"big" if big else b"little", "data/0": numbers.astype(f"{order}f4").tobytes()}
    )
    found = read(tmp_path, data)["a"]
    np.testing.assert_array_equal(found, numbers, strict=True)
    assert found.dtype.isnative


@pytest.mark.parametrize("new", [False, True])
def test_what_pytorch_writes(tmp_path, new):
    torch = pytest.importorskip("torch")
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "base": base,
        "row": base[1],
        "transposed": base.T,
        "every other": base[::2, 1::3],
        "expanded": torch.ones(1, 3)[:, :1].expand(1, 1),
        "number": torch.tensor(3.5, dtype=torch.float64),
        "nothing": torch.zeros(3, 0, 2),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "half": torch.tensor([1.5, -2], dtype=torch.float16),
        "bfloat16": torch.tensor([1.5, -2], dtype=torch.bfloat16),
        "truth": torch.tensor([True, False]),
    }
    for dtype in ("uint8", "int8", "int16", "int32", "int64"):
        tensors[dtype] = torch.tensor([1, 100, 7], dtype=getattr(torch, dtype))
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    for content in (tensors, module.state_dict(), {"state_dict": tensors, "epoch": 3, "rate": [1e-3]}):
        torch.save(content, tmp_path / "weights", _use_new_zipfile_serialization=new)
        found = read_weights(tmp_path / "weights")
        expected = content.get("state_dict", content)
        assert list(found) == list(expected)
        for label, array in expected.items():
            array = array.detach()
            array = array.float() if array.dtype == torch.bfloat16 else array
            np.testing.assert_array_equal(found[label], array.numpy(), strict=True)


def test_what_tensorflow_writes(tmp_path):
    pytest.importorskip("tensorflow.core.framework.graph_pb2")
    from tensorflow.core.framework import graph_pb2, types_pb2

    graph = graph_pb2.GraphDef()
    graph.versions.producer = 22
    expected = {}
    rng = np.random.default_rng(0)
    for label in ("FLOAT", "DOUBLE", "INT32", "UINT8", "INT16", "INT8", "INT64", "HALF"):
        dtype = {"FLOAT": "f4", "DOUBLE": "f8", "HALF": "f2"}.get(label, label.lower())
        values = {"FLOAT": "float_val", "DOUBLE": "double_val", "INT64": "int64_val", "HALF": "half_val"}
        for form in ("content", "values", "one"):
            node = graph.node.add(name=f"scope/{label}/{form}", op="Const")
            node.attr["dtype"].type = getattr(types_pb2, f"DT_{label}")
            proto = node.attr["value"].tensor
            proto.dtype = node.attr["dtype"].type
            numbers = (100 * rng.uniform(0, 1, (3, 4))).astype(dtype)
            for size in numbers.shape:
                proto.tensor_shape.dim.add(size=size)
            if form == "one":
                numbers[...] = numbers[0, 0]
            if form == "content":
                proto.tensor_content = numbers.tobytes()
            else:
                listed = numbers.reshape(-1)[: 1 if form == "one" else None]
                listed = listed.view("u2") if label == "HALF" else listed
                getattr(proto, values.get(label, "int_val")).extend(listed.tolist())
            expected[node.name] = numbers
        graph.node.add(name=f"scope/{label}/identity", op="Identity", input=[node.name])
    assert_same(read(tmp_path, graph.SerializeToString()), expected)
