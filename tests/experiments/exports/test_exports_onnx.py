"""A network as an ONNX model: a runtime gives our numbers, for any number of samples."""

from __future__ import annotations

import numpy as np
import pytest
from exports_cases import CASES, assert_agrees, channels_last, channels_second, draw, small

from experiments.exports import ConversionError, from_onnx, onnx_model, to_onnx, to_safetensors
from experiments.exports.onnx_model import DISCRIMINATOR, GENERATOR

onnx = pytest.importorskip("onnx")

each_case = pytest.mark.parametrize("sample", CASES, ids=lambda sample: sample.name)


def run(data, x, names=GENERATOR):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # not that a network keeps running statistics that it doesn't read
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == [names[0]]
    (y,) = session.run([names[1]], {names[0]: x})
    return y


@each_case
def test_a_runtime_gives_our_numbers(sample):
    drawn = draw(sample, np.float32)
    data = to_onnx(drawn.network, drawn.params, drawn.shape)
    y = np.concatenate([channels_last(run(data, channels_second(part))) for part in drawn.parts()])
    assert_agrees(y, drawn.y())


@each_case
def test_with_channels_last_nothing_needs_another_order(sample):
    drawn = draw(sample, np.float32)
    data = to_onnx(drawn.network, drawn.params, drawn.shape, channels_last=True)
    assert_agrees(np.concatenate([run(data, part) for part in drawn.parts()]), drawn.y())


@each_case
def test_weights_come_back_and_are_those_of_the_other_file(sample):
    from safetensors.numpy import load

    drawn = draw(sample, np.float32)
    data = to_onnx(drawn.network, drawn.params, drawn.shape)
    np.testing.assert_array_equal(from_onnx(drawn.network, data, drawn.shape).vector, drawn.params.vector)
    tensors = load(to_safetensors(drawn.network, drawn.params, drawn.shape))
    initializers = onnx.load_model_from_string(data).graph.initializer
    assert {tensor.name for tensor in initializers} == set(tensors)
    for tensor in initializers:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), tensors[tensor.name])


def test_any_number_of_samples():
    drawn = small(np.float32)
    data = to_onnx(drawn.network, drawn.params, drawn.shape)
    for count in (1, 2, 9):
        x = np.random.default_rng(count).standard_normal((count, *drawn.shape)).astype(np.float32)
        ours, _ = drawn.network.forward(drawn.params, x)
        assert_agrees(channels_last(run(data, x)), ours)


def test_what_a_model_says_of_itself():
    drawn = small(np.float64)
    data = to_onnx(drawn.network, drawn.params, drawn.shape, names=DISCRIMINATOR, metadata={"step": "12"})
    model = onnx.load_model_from_string(data)
    (x,), (y,) = model.graph.input, model.graph.output
    sizes = [[axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in (x, y)]
    assert (x.name, y.name) == ("x", "values")
    assert sizes == [["N", 3], ["N", 2, 4, 4]]
    assert {value.type.tensor_type.elem_type for value in (x, y)} == {onnx.TensorProto.FLOAT}
    assert [(pair.key, pair.value) for pair in model.metadata_props] == [("step", "12")]
    assert model.doc_string == "Images have channels second."
    last = onnx.load_model_from_string(to_onnx(drawn.network, drawn.params, drawn.shape, channels_last=True))
    assert last.doc_string == "Images have channels last."
    assert [axis.dim_value for axis in last.graph.output[0].type.tensor_type.shape.dim[1:]] == [4, 4, 2]


def test_runtimes_of_the_opsets_time_read_it():
    drawn = small(np.float32)
    model = onnx.load_model_from_string(to_onnx(drawn.network, drawn.params, drawn.shape))
    assert model.ir_version == 8  # the first with opset 18
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]


def test_too_much_for_one_file_is_refused(monkeypatch):
    drawn = small(np.float32)
    monkeypatch.setattr(onnx_model, "LARGEST", 4 * drawn.network.layout.size - 1)
    with pytest.raises(ConversionError, match=r"^network: expected at most \d+ numbers for one ONNX file, got \d+$"):
        to_onnx(drawn.network, drawn.params, drawn.shape)


def test_without_the_package_the_extra_is_named(monkeypatch):
    drawn = small(np.float32)
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(
        ConversionError, match=r"^onnx is needed and can't be imported \(.*\): install the extra export$"
    ):
        to_onnx(drawn.network, drawn.params, drawn.shape)
