"""The losses of every GAN as a user of PyTorch writes them: KIND.py is the peer of ``experiments/gans/KIND.py``.

A file defines

``losses(gan, move, draws) -> dict[str, Tensor]``
    Losses of exactly the players that a move moves, by name, to be differentiated by each player's own parameters: the
    same numbers as those of our ``gradients(move, **draws)``. What the other player's parameters do to a loss is not
    asked for: ``detach`` whatever an update of PyTorch's users detaches. A penalty takes its slopes by
    ``torch.autograd.grad(..., create_graph=True)``.
``after(gan, move, losses) -> None``, where ours has it
    What follows the update of a move: clipping, projections, numbers in ``gan.memory``.
``draw_NAME(gan, move) -> Tensor``, where ours draws in a way of its own
    What is not there is drawn by ``gan.draw(name)``.

``gan`` is a :class:`~validation.speed.gans.torch_peer.Peer`:

``gan.players[name](x)``, ``gan.players[name].parameters()``
    Networks by the names of our players. Images have their channels second. Batch-norm takes the statistics of
    whatever is passed, so that real and generated samples pass one after the other, as PyTorch's users let them.
``gan.config``, ``gan.batch``, ``gan.length``, ``gan.updates``, ``gan.memory``
    As our GAN has them; arrays in the memory are tensors.
``gan.all_real``
    The whole training set, where ours draws none of it.

``draws`` has tensors by the names of our draws: ``latent`` (batch, latent), ``real`` (batch, C, H, W) or (batch, m),
and whatever else the move draws, as ours but for the order of images' axes.
"""
