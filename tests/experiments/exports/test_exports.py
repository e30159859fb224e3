"""A network in PyTorch: the module that is written out gives our numbers with the weights of the file."""

from __future__ import annotations

import numpy as np
import pytest
from exports_cases import CASES, assert_agrees, channels_last, channels_second, draw, small
from nets_support import assert_same, in_each_dtype

from experiments.exports import ConversionError, describe_torch, from_safetensors, to_safetensors
from experiments.exports.layers import TRANSLATIONS
from experiments.exports.orders import Order
from nets import architectures
from nets.layers.activations import Identity
from nets.layers.linear import Linear
from nets.layers.residual import Residual
from nets.network import Network, Sequential

pytest.importorskip("safetensors")

each_case = pytest.mark.parametrize("sample", CASES, ids=lambda sample: sample.name)


def module_of(drawn):
    """The module that is written out, filled from the file."""
    torch = pytest.importorskip("torch")
    names: dict = {}
    exec(describe_torch(drawn.network, drawn.shape), names)
    model = names["model"].to(getattr(torch, drawn.x.dtype.name))
    return load(model, to_safetensors(drawn.network, drawn.params, drawn.shape))


def load(model, data):
    from safetensors.torch import load as tensors_of

    model.load_state_dict(tensors_of(data), strict=True)
    return model


def output(model, x):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return channels_last(model(torch.from_numpy(channels_second(x))).numpy())


@pytest.mark.slow
@in_each_dtype
@each_case
def test_the_module_gives_our_numbers(sample, dtype):
    drawn = draw(sample, dtype)
    model = module_of(drawn)
    assert_agrees(np.concatenate([output(model, part) for part in drawn.parts()]), drawn.y())


@in_each_dtype
@each_case
def test_weights_come_back_to_the_last_bit(sample, dtype):
    drawn = draw(sample, dtype)
    data = to_safetensors(drawn.network, drawn.params, drawn.shape)
    assert_same(from_safetensors(drawn.network, data, drawn.shape, dtype).vector, drawn.params.vector)


def test_weights_that_pytorch_trained_come_back(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    (sample,) = (sample for sample in CASES if sample.name == "batch-norm with running statistics")
    drawn = draw(sample, np.float64)
    model = module_of(drawn)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(torch.from_numpy(channels_second(drawn.x))).square().sum().backward()
    optimizer.step()
    save_file(model.state_dict(), tmp_path / "trained.safetensors")  # which has a count of batches too
    params = from_safetensors(drawn.network, tmp_path / "trained.safetensors", drawn.shape, np.float64)
    assert all(abs(params[name] - drawn.params[name]).max() > 1e-3 for name in params if name != "0.bias")
    assert_agrees(output(model, drawn.x), drawn.network.forward(params, drawn.x)[0])


def test_running_statistics_move_as_ours_do():
    (sample,) = (sample for sample in CASES if sample.name == "batch-norm with running statistics")
    drawn = draw(sample, np.float64)
    model = module_of(drawn)
    _, cache = drawn.network.forward(drawn.params, drawn.x)
    output(model, drawn.x)
    layer = drawn.network.body.layers[1]
    layer.update_running(drawn.params.child("1"), cache.layers[1])
    for ours, theirs in (("running_mean", "running_mean"), ("running_variance", "running_var")):
        np.testing.assert_allclose(model.state_dict()[f"1.{theirs}"], drawn.params[f"1.{ours}"], rtol=1e-12)


def test_statistics_of_the_batch_in_both_modes():
    drawn = small(np.float64)
    model = module_of(drawn)
    np.testing.assert_array_equal(output(model.eval(), drawn.x), output(model.train(), drawn.x))


def test_the_authors_generator_is_written_as_a_user_of_pytorch_would():
    text = describe_torch(architectures.coulomb_generator(16, 32, 3, width=64), (32,))
    *_, tree = text.partition("model = ")
    assert (
        tree
        == """\
nn.Sequential(
    nn.Linear(32, 1024),  # 0
    nn.ReLU(),  # 1
    nn.Unflatten(1, (64, 4, 4)),  # 2
    nn.ConvTranspose2d(64, 32, 5, stride=2, padding=1, bias=False),  # 3
    nn.ZeroPad2d((0, -1, 0, -1)),  # 4
    nn.BatchNorm2d(32, eps=0.001, track_running_stats=False),  # 5
    nn.ReLU(),  # 6
    nn.ConvTranspose2d(32, 3, 5, stride=2, padding=1),  # 7
    nn.ZeroPad2d((0, -1, 0, -1)),  # 8
    Scale(0.6666666666666666),  # 9
    nn.Tanh(),  # 10
    Scale(1.7159),  # 11
)
"""
    )
    assert text.startswith('"""Maps (N, 32) to (N, 3, 16, 16)."""\n')


def test_where_a_linear_layer_takes_the_order_the_text_has_no_module_for_it():
    texts = {sample.name: describe_torch(draw(sample, np.float32).network, sample.shape[1:]) for sample in CASES}
    for name in ("coulomb discriminator", "numbers from an image by way of norms", "language discriminator"):
        assert "    nn.Flatten(),  # " in texts[name]
        assert "Reshape" not in texts[name]
    for name in ("wgan-gp generator", "image from numbers by way of norms", "language generator"):
        assert "    nn.Unflatten(1, (" in texts[name]
        assert "Reshape" not in texts[name]
    assert "    Reshape(2, 3, 4),  # 0" in texts["image from the input's numbers"]
    assert "    Reshape(18),  # 1" in texts["an image's numbers themselves"]


def test_an_order_is_taken_once():
    order, other = Order(3), np.array([2, 0, 1])
    assert order.take(other)
    assert order.take(other.copy())
    assert not order.take(order.ours)
    with pytest.raises(RuntimeError, match="order: expected one that nobody has taken yet"):
        order.take_ours()


def test_modes_and_groups_are_told():
    texts = {sample.name: describe_torch(draw(sample, np.float32).network, sample.shape[1:]) for sample in CASES}
    assert texts["batch-norm with running statistics"].endswith("\nmodel.train()  # statistics of the batch\n")
    assert texts["frozen batch-norm"].endswith("\nmodel.eval()  # running statistics\n")
    assert texts["one frozen batch-norm of two"].endswith('\nmodel.get_submodule("0").eval()\n')
    assert "  # 2: one of 2 groups at a time\n" in texts["coulomb discriminator groups"]


def test_every_architecture_and_every_layer_is_among_the_cases():
    covered = {made for sample in CASES for made in (type(sample.make()), *sample.covers)}
    assert {getattr(architectures, name) for name in architectures.__all__} <= covered
    assert {*TRANSLATIONS, Residual, Sequential} <= covered


class Other(Linear):
    """A layer that does something else than its base."""


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (Other(3, 3), "network"),
        (Sequential([Linear(3, 3), Residual(Sequential([Other(3, 3)]))]), "1.body.0"),
    ],
)
@pytest.mark.parametrize("convert", [describe_torch, lambda network, shape: from_safetensors(network, b"", shape)])
def test_a_layer_without_a_translation_is_named(body, place, convert):
    with pytest.raises(
        ConversionError, match=f"^layer {place}: Other can't be exported: expected one of AveragePool, "
    ):
        convert(Network(body), (3,))


def test_a_fused_activation_without_a_translation_is_named():
    class Strange(Identity):
        pass

    with pytest.raises(ConversionError, match=r"^layer 1: Strange can't be exported"):
        describe_torch(Network(Sequential([Linear(3, 3), Linear(3, 3, Strange())])), (3,))


def test_other_shapes_and_other_parameters_are_refused():
    drawn = small(np.float32)
    with pytest.raises(ValueError, match=r"expects \(3,\), got \(4,\)"):
        describe_torch(drawn.network, (4,))
    with pytest.raises(ValueError, match="params: expected the parameters of this network, got those of another"):
        to_safetensors(drawn.network, Network(Linear(3, 3)).initialize(np.random.default_rng(0)), drawn.shape)
