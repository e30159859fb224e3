"""Files that are not what they should be: one clear error, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
from exports_cases import draw, small
from hypothesis import given
from hypothesis import strategies as st
from nets_support import assert_same

from experiments import UserError
from experiments.exports import WeightsError, from_onnx, from_safetensors, to_onnx, to_safetensors
from nets.parameters import Parameters

onnx = pytest.importorskip("onnx")
safetensors = pytest.importorskip("safetensors.numpy")

DRAWN = small(np.float32)
NUMBERS = safetensors.load(to_safetensors(DRAWN.network, DRAWN.params, DRAWN.shape))


def onnx_file(tensors):
    """A model with these initializers and no nodes."""
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    return onnx_model(initializers)


def onnx_model(initializers):
    graph = onnx.helper.make_graph([], "network", [], [], initializers)
    return onnx.helper.make_model(graph).SerializeToString()


FORMATS = {
    "safetensors": (to_safetensors, from_safetensors, safetensors.save),
    "onnx": (to_onnx, from_onnx, onnx_file),
}
each_format = pytest.mark.parametrize(("write", "read", "make"), FORMATS.values(), ids=FORMATS.keys())


def message_of(read, source, **settings):
    """The error, which is the user's and one line long."""
    with pytest.raises(WeightsError) as caught:
        read(DRAWN.network, source, DRAWN.shape, **settings)
    assert isinstance(caught.value, UserError)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(**tensors):
    """The right tensors but for these, by names with ``__`` for the dot; None is left out."""
    named = {name.replace("__", "."): array for name, array in tensors.items()}
    return {name: array for name, array in {**NUMBERS, **named}.items() if array is not None}


@each_format
def test_from_a_file_or_its_bytes(write, read, make, tmp_path):
    data = write(DRAWN.network, DRAWN.params, DRAWN.shape)
    (tmp_path / "weights").write_bytes(data)
    for source in (data, tmp_path / "weights", str(tmp_path / "weights")):
        params = read(DRAWN.network, source, DRAWN.shape)
        assert isinstance(params, Parameters)
        assert_same(params.vector, DRAWN.params.vector)


@each_format
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", ["float16", "float32", "float64"])
def test_numbers_of_each_kind(write, read, make, stored, dtype):
    tensors = {name: array.astype(stored) for name, array in NUMBERS.items()}
    params = read(DRAWN.network, make(tensors), DRAWN.shape, dtype)
    narrow = DRAWN.params.vector.astype(stored).astype(dtype)
    np.testing.assert_array_equal(params.vector, narrow)
    assert params.vector.dtype == dtype
    assert params.vector.flags.writeable


@each_format
@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (changed(**{"0__bias": None}), "expected the 5 tensors of this network, got 4; missing: 0.bias (16,)"),
        (
            changed(other=np.zeros((2, 3), np.float32)),
            "expected the 5 tensors of this network, got 6; not expected: 'other' (2, 3)",
        ),
        (
            changed(**{"0__weight": np.zeros((3, 16), np.float32)}),
            "got 5; of another shape: 0.weight (expected (16, 3), got (3, 16))",
        ),
        (
            changed(**{"0__bias": np.zeros(16, np.int64), "0__weight": None}),
            "got 4; missing: 0.weight (16, 3); not of float16, float32, float64: 0.bias (",
        ),
        (
            {f"extra.{i}\n": np.zeros(1, np.float32) for i in range(9)},
            r"got 9; missing: 0.weight (16, 3), 0.bias (16,), 3.weight (4, 2, 5, 5) and 2 more; "
            r"not expected: 'extra.0\n' (1,), 'extra.1\n' (1,), 'extra.2\n' (1,) and 6 more",
        ),
        (
            changed(**{"5__weight": np.array([1, 1.5], np.float32)}),
            "5.weight: expected 1 throughout, since the network has no such parameter, got numbers from 1 to 1.5",
        ),
        (
            changed(**{"5__bias": np.array([-1e300, np.inf])}),
            "5.bias: expected numbers that float32 can hold, got 1e+300",
        ),
        (changed(**{"0__bias": np.zeros(0, np.float32)}), "0.bias (expected (16,), got (0,))"),
        (changed(**{"0__bias": np.float32(1)}), "0.bias (expected (16,), got ())"),
    ],
)
def test_other_tensors_are_named(write, read, make, tensors, message):
    assert message in message_of(read, make({name: np.asarray(array) for name, array in tensors.items()}))


@each_format
def test_what_float32_can_hold_may_be_infinite(write, read, make):
    tensors = changed(**{"5__bias": np.array([np.nan, -np.inf])})
    np.testing.assert_array_equal(read(DRAWN.network, make(tensors), DRAWN.shape)["3.shift"], [np.nan, -np.inf])


@each_format
def test_files_that_cannot_be_read(write, read, make, tmp_path):
    assert message_of(read, tmp_path / "none") == f"{tmp_path / 'none'}: can't be read: No such file or directory"
    assert "can't be read" in message_of(read, tmp_path)
    assert message_of(read, b"\xff" * 99).startswith("file: not a")
    (tmp_path / "damaged").write_bytes(b"\xff" * 99)
    assert message_of(read, tmp_path / "damaged").startswith(f"{tmp_path / 'damaged'}: not a")
    message_of(read, b"")


@each_format
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_ends_early(write, read, make, share):
    data = write(DRAWN.network, DRAWN.params, DRAWN.shape)
    message_of(read, data[: int(share * len(data))])


@each_format
@given(share=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), head=st.booleans())
def test_a_byte_that_is_another_gives_that_error_or_other_numbers(write, read, make, share, byte, head):
    data = bytearray(write(DRAWN.network, DRAWN.params, DRAWN.shape))
    data[int(share * (700 if head else len(data)))] = byte
    params, message = DRAWN.params, ""
    try:
        params = read(DRAWN.network, bytes(data), DRAWN.shape)
    except WeightsError as error:
        message = str(error)
    assert "\n" not in message
    assert (params.vector != DRAWN.params.vector).sum() <= 1


@each_format
@given(data=st.binary(max_size=200))
def test_any_bytes(write, read, make, data):
    message_of(read, data)


def _initializers():
    return [onnx.numpy_helper.from_array(array, name) for name, array in NUMBERS.items()]


def test_onnx_that_refers_to_other_files(tmp_path):
    (tmp_path / "secret").write_bytes(NUMBERS["0.bias"].tobytes())
    initializers = _initializers()
    (bias,) = (tensor for tensor in initializers if tensor.name == "0.bias")
    onnx.external_data_helper.set_external_data(bias, str(tmp_path / "secret"))
    assert "'0.bias': expected numbers in the file itself" in message_of(from_onnx, onnx_model(initializers))


def test_onnx_with_fewer_numbers_than_it_says():
    initializers = _initializers()
    (bias,) = (tensor for tensor in initializers if tensor.name == "0.bias")
    bias.raw_data = bias.raw_data[:-4]
    assert "0.bias can't be read: " in message_of(from_onnx, onnx_model(initializers))


def test_onnx_that_ends_with_its_graph():
    data = to_onnx(DRAWN.network, DRAWN.params, DRAWN.shape)
    end = data.index(onnx.helper.make_opsetid("", 18).SerializeToString()) - 2
    assert "expected a version of its operators" in message_of(from_onnx, data[:end])


def test_onnx_with_a_name_twice():
    initializers = _initializers()
    assert f"there twice: '{initializers[0].name}'" in message_of(
        from_onnx, onnx_model([*initializers, initializers[0]])
    )


def test_onnx_with_a_name_that_is_no_text():
    data = to_onnx(DRAWN.network, DRAWN.params, DRAWN.shape).replace(b"0.bias", b"0.\xffias")
    assert r"missing: 0.bias (16,); not expected: '0.\\xffias' (16,)" in message_of(from_onnx, data)


def test_only_the_counts_of_pytorch_may_be_there_besides():
    from exports_cases import CASES

    (sample,) = (sample for sample in CASES if sample.name == "batch-norm with running statistics")
    drawn = draw(sample, np.float32)
    tensors = safetensors.load(to_safetensors(drawn.network, drawn.params, drawn.shape))
    count = {"1.num_batches_tracked": np.asarray(3)}
    read = from_safetensors(drawn.network, safetensors.save(tensors | count), drawn.shape)
    assert_same(read.vector, drawn.params.vector)
    count = {"5.num_batches_tracked": np.asarray(3)}
    assert "not expected: '5.num_batches_tracked'" in message_of(from_safetensors, safetensors.save(NUMBERS | count))


def test_metadata_says_whose_format_it_is(tmp_path):
    data = to_safetensors(DRAWN.network, DRAWN.params, DRAWN.shape, {"experiment": "coulomb"})
    (tmp_path / "weights").write_bytes(data)
    with safetensors.safe_open(tmp_path / "weights", "np") as file:
        assert file.metadata() == {"format": "pt", "experiment": "coulomb"}


def test_other_dtypes_are_refused():
    data = to_safetensors(DRAWN.network, DRAWN.params, DRAWN.shape)
    with pytest.raises(TypeError, match="expected float32 or float64, got float16"):
        from_safetensors(DRAWN.network, data, DRAWN.shape, np.float16)
