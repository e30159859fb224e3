"""Updates of GANs of text beside PyTorch: they agree, and every row is told."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from nets.primitives.trained_lines import TrainedLines
from validation.speed.process_memory import Peak
from validation.speed.rows import AGREEMENT, OURS
from validation.speed.text import updates as text_updates
from validation.speed.text.updates import memory
from validation.speed.text.updates.settings import MOVES, Setting
from validation.speed.text.updates.torch_peer import differences


@pytest.mark.parametrize("kind", MOVES)
def test_losses_and_gradients_are_pytorchs(kind):
    found = list(differences(Setting(kind, 32, **text_updates.SMALL)))
    players = {"coulomb": ("discriminator", "generator"), "wgan_gp": ("discriminator",)}[kind]
    assert [each.quantity for each in found] == [
        quantity for player in players for quantity in (f"{player} loss", f"d{player}")
    ]
    assert all(each.difference <= AGREEMENT for each in found), found


def test_the_networks_that_are_compared_filter_lines():
    gan = Setting("coulomb", 32, **text_updates.SMALL).gan()
    _, cache = gan.forward("generator", gan.draw_latent())
    assert any(isinstance(getattr(each, "kernel", None), TrainedLines) for each in flattened(cache.layers))


def flattened(caches):
    for each in caches:
        yield each
        if isinstance(each, tuple):
            yield from flattened(each)


def test_each_setting_has_its_rows(monkeypatch, capsys):
    monkeypatch.setattr(memory, "measure", lambda who, setting: Peak(100, 200 if who == OURS else 300))
    monkeypatch.setattr(text_updates, "VOCABULARIES", (8,))
    rows = text_updates.run(0.0, quick=True, only=("updates", "memory"))
    named = [(row["table"], row["name"], row["quantity"]) for row in rows]
    updates = [
        ("text updates", "coulomb V = 8", "update"),
        ("text updates", "coulomb V = 8", "potential"),
        ("text updates", "wgan_gp V = 8", "critic's step"),
    ]
    assert named == [*updates, ("memory", "coulomb V = 8", "peak"), ("memory", "wgan_gp V = 8", "peak")]
    assert all(row["ours_s"] > 0 for row in rows[:3])
    assert all(row["ratio"] > 0 for row in (rows[0], rows[2]))
    assert [row["ratio"] for row in rows[3:]] == [2, 2]
    printed = capsys.readouterr().out
    assert printed.count("ours is") == 2
    assert "of the update" in printed
