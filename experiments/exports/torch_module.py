"""A network as the text of a PyTorch module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nets.network import Network

from .modules import Branches, Chain, Leaf, leaves, plan
from .translation import Module
from .weights import Shape

CLASSES = {
    "Residual": '''\
class Residual(nn.Module):
    """Sum of a shortcut and of a body times a factor."""

    def __init__(self, body, shortcut, factor):
        super().__init__()
        self.body, self.shortcut, self.factor = body, shortcut, factor

    def forward(self, x):
        return self.shortcut(x) + self.factor * self.body(x)
''',
    "Reshape": '''\
class Reshape(nn.Module):
    """Samples in another shape, given and counted with channels last."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.movedim(1, -1).reshape(len(x), *self.shape).movedim(-1, 1)
''',
    "Scale": '''\
class Scale(nn.Module):
    """Product with a constant."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor
''',
    "Transposed": '''\
class Transposed(nn.Module):
    """Sequences with channels and places exchanged."""

    def forward(self, x):
        return x.transpose(1, 2)
''',
}
"""What ``torch.nn`` is without, by name."""


def describe_torch(network: Network, input_shape: Shape) -> str:
    """Python that makes ``model``, the PyTorch module which takes what :func:`to_safetensors` writes.

    Parameters
    ----------
    network : Network
        Any whose layers are in the table.
    input_shape : tuple of int
        Of one sample, channels last as everywhere in this package.

    Returns
    -------
    str
        A ``nn.Sequential`` with the path of each module beside it, after the classes that ``torch.nn`` is without.
        ``model.load_state_dict(safetensors.torch.load_file(path))`` fills it.

    Raises
    ------
    ConversionError
        If a layer isn't in the table.
    ValueError
        If the network doesn't take samples of this shape.
    """
    planned = plan(network, input_shape)
    tree = "\n".join(_lines(planned.root, "model = ", ""))
    modules = [(path, module) for leaf in leaves(planned.root) for path, module in leaf.modules]
    classes = [text for name, text in CLASSES.items() if any(part.startswith(f"{name}(") for part in tree.split())]
    introduction = f'"""Maps {batch(planned.before)} to {batch(planned.after)}."""'
    gap = "\n\n" if classes else "\n"
    blocks = gap.join(["from torch import nn\n", *classes, "\n".join([tree, *_modes(modules)])])
    return f"{introduction}\n\n{blocks}\n"


def batch(shape: Shape) -> str:
    """Shape of a batch with channels second, as text."""
    return f"(N, {', '.join(map(str, (shape[-1], *shape[:-1])))})"


def _lines(node: Leaf | Branches | Chain, before: str, after: str) -> Iterator[str]:
    """Text of a node between what comes before it on its first line and after it on its last."""
    if isinstance(node, Leaf):
        for path, module in node.modules:
            text = module.text if isinstance(module.text, str) else module.text()
            yield f"{before}{text}{after}  # {path}{module.remark and ': '}{module.remark}"
    elif isinstance(node, Chain):
        yield f"{before}nn.Sequential({node.path and '  # '}{node.path}"
        for child in node.children:
            yield from _indented(_lines(child, "", ","))
        yield f"){after}"
    else:
        yield f"{before}Residual(  # {node.path}"
        yield from _indented(_lines(node.body, "", ","))
        shortcut = ["nn.Identity(),"] if node.shortcut is None else _lines(node.shortcut, "", ",")
        yield from _indented(shortcut)
        yield f"    {node.factor!r},"
        yield f"){after}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _modes(modules: Sequence[tuple[str, Module]]) -> Iterator[str]:
    """Statements that put the modules in which it matters into the mode that does what ours do."""
    modes = {module.training for _, module in modules} - {None}
    if len(modes) == 1:
        yield "model.train()  # statistics of the batch" if True in modes else "model.eval()  # running statistics"
    elif modes:
        yield from (f'model.get_submodule("{path}").eval()' for path, module in modules if module.training is False)
