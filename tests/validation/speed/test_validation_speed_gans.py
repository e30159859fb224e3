"""The benchmark of the GANs: that it measures what it says, and that every GAN's gradients are PyTorch's."""

import dataclasses
import json

import numpy as np
import pytest

from coulombfield.rng import Streams
from experiments import config, registry
from experiments.gans.gan import GAN
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Player
from nets.layers.conv2d import Conv2d
from nets.layers.linear import Linear
from nets.layers.reshape import Flatten
from nets.network import Network, Sequential
from nets.parameters import Parameters
from validation.__main__ import main
from validation.assembly import CONSTANT
from validation.context import Context
from validation.gradients.gans import SAMPLES, small
from validation.speed.gans import benchmark as gans
from validation.speed.gans import memory, settings
from validation.speed.gans.settings import QUICK, STEADY, Setting, image_presets, kind_of_preset, narrowed, resolved
from validation.speed.process_memory import Peak
from validation.speed.rows import AGREEMENT

RATE = ScheduleConfig(0.1, "constant")


def speed_gans(tmp_path, *arguments, code=0):
    """Rows that the command writes."""
    file = tmp_path / "rows.json"
    assert main(["speed", "gans", "--quick", "--seconds", "1e-3", "--json", str(file), *arguments]) == code
    return json.loads(file.read_text())


@pytest.fixture
def alone(monkeypatch):
    """Without PyTorch, whether it is installed or not."""
    monkeypatch.setattr(gans, "has_torch", lambda *_: False)


def test_one_row_for_an_update(tmp_path, capsys, alone):
    (row,) = speed_gans(tmp_path, "--only", "coulomb-images", "--batch", "2")
    assert (row["table"], row["name"], row["batch"], row["peer"]) == ("updates", "coulomb-images", 2, "")
    assert 0 < row["ours_min_s"] <= row["ours_s"] <= row["ours_max_s"]
    assert "coulomb-images" in capsys.readouterr().out


def test_both_memory_formats_of_pytorch_are_timed(tmp_path):
    pytest.importorskip("torch")
    (row,) = speed_gans(tmp_path, "--only", "coulomb-images", "--batch", "2")
    assert row["peer"].startswith("eager PyTorch, ")
    assert row["peer_s"] == min(row["contiguous_s"], row["channels_last_s"])
    assert row["ratio"] == pytest.approx(row["peer_s"] / row["ours_s"])


def test_settings_are_found_by_their_names_and_kinds(tmp_path, alone, monkeypatch):
    assert "coulomb-images" in image_presets()
    assert all(kind_of_preset(name) in registry.kinds("gans") for name in image_presets())
    assert {*image_presets(), *registry.kinds("gans")} < {*gans.names()}
    rows = speed_gans(tmp_path, "--only", "coulomb", "--batch", "2,3")
    expected = [(name, batch) for name in image_presets() if kind_of_preset(name) == "coulomb" for batch in (2, 3)]
    assert [(row["name"], row["batch"]) for row in rows] == expected
    monkeypatch.setattr(memory, "measure", lambda *_, **__: Peak(1.0, 2.0))
    rows = speed_gans(tmp_path, "--only", "coulomb-images", "--batch", "2", "--memory")
    assert [row["table"] for row in rows] == ["updates", "memory"]


@pytest.mark.parametrize("preset", image_presets())
def test_the_timed_update_is_one_of_the_preset_as_most_are(preset):
    setting = Setting(preset)
    assert setting.size == resolved(preset).training.batch
    gan = Setting(preset, 2, QUICK).gan()
    assert gan.updates == STEADY
    assert gan.data.shape[1:] == (64, 64, 3)
    usual = gan.moves()
    for gan.updates in range(STEADY, STEADY + 400):
        assert gan.moves() == usual


def test_narrow_networks_have_fewer_channels_and_whole_ones_those_of_the_preset():
    player = resolved("coulomb-images").players["generator"]
    assert narrowed(player, 1) == player
    assert narrowed(player, QUICK).width == player.width // QUICK


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "coulomb-images,nothing"], "unknown 'nothing'; expected some of "),
        (["--batch", "16,1.5"], "expected whole numbers of at least 2, got 16,1.5"),
        (["--batch", "1"], "expected whole numbers of at least 2, got 1"),
        (["--seconds", "0"], "expected a positive number"),
    ],
)
def test_wrong_arguments_say_what_was_expected(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(["speed", "gans", *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", registry.kinds("gans"))
def test_gradients_agree_with_autograd(kind):
    """With small networks; the presets' own take minutes: ``python -m validation speed gans --only agreement``."""
    pytest.importorskip("torch")
    from validation.speed.gans.torch_agreement import differences, has_losses

    assert has_losses(kind), f"expected validation/speed/gans/torch_losses/{kind}.py"
    found = list(differences([kind], presets=False))
    assert any("loss" not in each.quantity for each in found)
    assert [each for each in found if not each.difference <= AGREEMENT] == []


def test_wrong_gradients_missing_losses_and_errors_fail(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    from validation.speed.gans.torch_losses import coulomb

    original = coulomb.losses

    def slightly_off(gan, move, draws):
        found = original(gan, move, draws)
        return found | {"generator": found["generator"] * (1 + 1e-9)}

    monkeypatch.setattr(coulomb, "losses", slightly_off)
    monkeypatch.setattr(registry, "kinds", lambda *_: ["coulomb", "strange"])
    monkeypatch.setattr(config, "preset_names", lambda: ["coulomb-images"])
    rows = speed_gans(tmp_path, "--only", "agreement", code=1)
    assert {row["table"] for row in rows} == {"agreement"}
    for row in rows:
        if row["name"] == "strange":
            assert row["note"] == "missing: validation/speed/gans/torch_losses/strange.py"
        else:
            assert bool(row["note"]) == ("generator" in row["quantity"])
    assert "missing: " in capsys.readouterr().out

    monkeypatch.setattr(coulomb, "losses", lambda *_: 1 / 0)
    rows = speed_gans(tmp_path, "--only", "agreement", code=1)
    assert any("ZeroDivisionError" in row["quantity"] and row["difference"] is None for row in rows)


def test_losses_of_other_players_than_those_that_move_are_an_error():
    pytest.importorskip("torch")
    from validation.speed.gans.torch_agreement import of_gan

    gan = small("CoulombGAN of points", Streams(0), Context())
    whole = gan.gradients
    gan.gradients = lambda move, **draws: tuple({"generator": part["generator"]} for part in whole(move, **draws))
    (found,) = of_gan("one", lambda: gan)
    assert "expected losses of ['generator'] in both, got ['discriminator', 'generator']" in found.quantity


@pytest.mark.parametrize("name", SAMPLES)
def test_an_update_of_the_peer_ends_where_ours_does(name, monkeypatch):
    """All moves, what follows them and the optimizers, given one draw of each kind."""
    pytest.importorskip("torch")
    end_where_ours_does(small(name, Streams(0), Context()), monkeypatch)


@pytest.mark.parametrize("reuse", [False, True])
def test_a_pass_of_the_generator_is_used_again_where_latent_vectors_are(reuse, monkeypatch):
    pytest.importorskip("torch")
    gan = small("DCGAN of points", Streams(0), Context())
    gan.config = dataclasses.replace(gan.config, reuse_latent=reuse, generator_steps=2)
    called = end_where_ours_does(gan, monkeypatch)
    assert called.count("generator") == (2 if reuse else 3)


def end_where_ours_does(gan, monkeypatch):
    """Make an update of ours and one of the peer, and compare; return the players that the peer's passes were of."""
    from validation.speed.gans.torch_peer import Peer

    draws = {name: getattr(gan, f"draw_{name}")().copy() for names in gan.draws.values() for name in names}
    monkeypatch.setattr(GAN, "draw_latent", lambda self: draws["latent"])
    for name in draws.keys() - {"latent"}:
        monkeypatch.setattr(gan, f"draw_{name}", lambda name=name: draws[name])
    peer = Peer(gan, gan.data.first(2), dict.fromkeys(gan.players, CONSTANT))
    peers, called = peer.put(draws), []
    monkeypatch.setattr(peer, "draw", lambda name: peers[name])
    for name, twin in peer.players.items():
        peer.players[name] = Counted(name, twin, called)
    gan.step()
    peer()
    assert peer.updates == gan.updates == 1
    for name, player in gan.players.items():
        found = peer.players[name].twin.vector(peer.players[name].parameters())
        np.testing.assert_allclose(found, player.params.vector, rtol=1e-7, atol=1e-9, err_msg=name)
    for name, value in gan.memory.items():
        np.testing.assert_allclose(np.asarray(peer.memory[name]), value, rtol=1e-9)
    return called


class Counted:
    """A network that notes its passes."""

    def __init__(self, name, twin, called):
        self.name, self.twin, self.called = name, twin, called
        self.parameters = twin.parameters

    def __call__(self, x):
        self.called.append(self.name)
        return self.twin(x)


def test_the_peer_draws_anew_for_each_move(monkeypatch):
    pytest.importorskip("torch")
    from validation.speed.gans.torch_losses import coulomb
    from validation.speed.gans.torch_peer import Peer

    gan = small("CoulombGAN of points", Streams(0), Context())
    gan.moves = lambda: ("both", "both")
    seen, original = [], coulomb.losses

    def losses(gan, move, draws):
        seen.append(draws)
        return original(gan, move, draws)

    monkeypatch.setattr(coulomb, "losses", losses)
    data = gan.data.first(8)
    Peer(gan, data, dict.fromkeys(gan.players, CONSTANT))()
    first, second = seen
    assert not np.array_equal(first["latent"], second["latent"])
    assert not np.array_equal(first["real"], second["real"])
    assert all(any(np.array_equal(row, real) for real in data) for row in first["real"].numpy())


@pytest.mark.parametrize(
    "config",
    [
        OptimizerConfig(RATE, beta1=0.5, beta2=0.9, epsilon=1e-3, l2=0.5),
        OptimizerConfig(RATE, "rmsprop", decay=0.8, epsilon=1e-3, l2=0.5, l2_on="kernels"),
        OptimizerConfig(RATE, "sgd", momentum=0.7),
    ],
    ids=lambda config: config.kind,
)
def test_optimizers_have_our_settings(config):
    torch = pytest.importorskip("torch")
    from validation.speed.gans.torch_peer import optimizer_of
    from validation.speed.torch_twins import Twin, from_ours

    rng = np.random.default_rng(0)
    network = Network(Sequential([Conv2d(1, 2, 3), Flatten(), Linear(8, 2)]))
    params = network.initialize(rng, np.float64)
    twin = Twin(network, params)
    player, peer = Player(network, params, config, 1), optimizer_of(config, twin, params)
    for _ in range(3):
        gradient = Parameters(network.layout, rng.standard_normal(params.vector.size))
        for tensor, name in zip(twin.parameters(), gradient, strict=True):
            tensor.grad = from_ours(gradient[name], True).contiguous()
        peer.step()
        player.update(gradient)
    np.testing.assert_allclose(twin.vector(twin.parameters()), params.vector, rtol=1e-12)
    assert torch.is_grad_enabled()


def test_uniform_latent_vectors_lie_between_minus_one_and_one():
    pytest.importorskip("torch")
    from validation.speed.gans.torch_peer import Peer

    gan = small("CoulombGAN of points", Streams(0), Context())
    peer = Peer(gan, gan.data.first(8))
    for gan.generator.prior, largest in (("normal", np.inf), ("uniform", 1.0)):
        peer = Peer(gan, gan.data.first(8))
        drawn = np.concatenate([peer.draw("latent").numpy() for _ in range(200)])
        assert drawn.shape[1:] == (gan.generator.latent,)
        assert drawn.min() < -0.9
        assert (drawn.max() > 1.0) == (largest == np.inf)


def test_memory_is_that_of_a_fresh_process(tmp_path, monkeypatch, alone):
    asked = []

    def measure(who, setting):
        asked.append((who, *setting[:3]))
        return Peak(100.0, 150.0)

    monkeypatch.setattr(memory, "measure", measure)
    (row,) = speed_gans(tmp_path, "--only", "memory,coulomb-images")
    assert asked == [("ours", "coulomb-images", gans.QUICK_BATCH, QUICK)]
    assert (row["table"], row["ours_mb"]) == ("memory", 50.0)


def test_memory_of_one_update(capsys):
    memory.main("ours", "coulomb-images", "2", str(QUICK))
    before, after = json.loads(capsys.readouterr().out)
    assert 0 < before <= after


def test_noise_takes_the_place_of_images():
    images = settings.noise()
    assert images.shape == (512, 64, 64, 3)
    assert images.dtype == np.float32
    assert -1 <= images.min() < images.max() <= 1
