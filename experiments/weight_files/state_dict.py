"""The pickles that hold a ``state_dict`` of PyTorch, read without running anything that they name.

A pickle is a program for a small machine. This one knows the instructions that dictionaries, lists, numbers, texts and
tensors need, and the few names that tensors are made with; another instruction or name is refused. It makes no object
but those, so that nothing in a file can be called.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

STORAGES = {
    f"torch {name}Storage": dtype
    for name, dtype in {
        "Float": "float32",
        "Double": "float64",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
    }.items()
}
"""Names of the storages in a pickle, and what their numbers are."""

TENSOR, OLD_TENSOR, PARAMETER, DICTIONARY = (
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_parameter",
    "collections OrderedDict",
)

NAMES = {TENSOR, OLD_TENSOR, PARAMETER, DICTIONARY, *STORAGES}


class Name(str):
    """Something outside the pickle that it names, as ``module name``."""

    __slots__ = ()


class Storage(NamedTuple):
    """Numbers of one kind that lie elsewhere in the file."""

    key: str
    dtype: str
    numbers: int


class Tensor(NamedTuple):
    """Where a tensor's numbers lie in its storage; offset and strides are in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """A place on the stack."""


_MARK = _Mark()


def load_pickle(file: io.BytesIO) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle from where ``file`` is, which then is behind it.

    Returns
    -------
    content : object
        Of dictionaries, lists, tuples, numbers, texts and :class:`Tensor`.
    storages : dict from str to Storage
        Those that the tensors lie in.

    Raises
    ------
    ValueError
        If the pickle is damaged or needs more than a state_dict does.
    """
    machine = _Machine()
    for instruction, argument, place in pickletools.genops(file):
        if instruction.name == "STOP":
            content = machine.pop()
            if machine.stack:
                raise ValueError("the pickle ends in the middle of something")
            return content, machine.storages
        act = _ACTS.get(instruction.name)
        if act is None:
            raise ValueError(
                f"at byte {place} the pickle has the instruction {instruction.name}, which no weights need"
            )
        act(machine, argument)
    raise ValueError("the pickle has no end")


class _Machine:
    """Stack and memory of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def pop(self) -> Any:
        """The topmost thing."""
        if not self.stack:
            raise ValueError("the pickle takes more than it has")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """The topmost thing, which stays."""
        if not self.stack:
            raise ValueError("the pickle takes more than it has")
        return expect(self.stack[-1], kind)

    def since_mark(self) -> list[Any]:
        """All things above the topmost mark, which goes too."""
        taken = []
        while (thing := self.pop()) is not _MARK:
            taken.append(thing)
        return taken[::-1]

    def push(self, thing: Any) -> None:
        """Put a thing on top."""
        self.stack.append(thing)

    def put(self, index: int | None) -> None:
        """Remember the topmost thing."""
        self.memory[len(self.memory) if index is None else index] = self.top(object)

    def get(self, index: int) -> None:
        """Put a remembered thing on top."""
        if index not in self.memory:
            raise ValueError(f"the pickle takes number {index} of its memory, where nothing is")
        self.push(self.memory[index])

    def name(self, name: str) -> None:
        """Put a name on top, if it is one of those that tensors need."""
        if name not in NAMES:
            raise ValueError(f"the pickle names {name.replace(' ', '.')!r}, which no weights need")
        self.push(Name(name))

    def set_items(self, items: list[Any]) -> None:
        """Put keys and values in turns into the dictionary on top."""
        dictionary = self.top(dict)
        if len(items) % 2:
            raise ValueError("the pickle has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int)):  # the only ones in use, and hashing others may go deep
                raise ValueError(f"the pickle has a key of the type {type(key).__name__}")
            dictionary[key] = value

    def append(self, things: list[Any]) -> None:
        """Put things at the end of the list on top."""
        self.top(list).extend(things)

    def build(self) -> None:
        """Drop attributes, such as the versions of modules that PyTorch adds to a state_dict."""
        self.pop()
        self.top(dict)

    def persistent(self) -> None:
        """Put the storage on top that is described there."""
        parts = expect(self.pop(), tuple)
        if len(parts) not in (5, 6) or parts[0] != "storage" or not isinstance(parts[1], Name):
            raise ValueError("the pickle refers to something that is no storage")
        if parts[1] not in STORAGES:
            raise ValueError(f"the pickle has a storage that is called {parts[1].replace(' ', '.')!r}")
        if len(parts) == 6 and parts[5] is not None:  # no version that wrote these files' views is in use any more
            raise ValueError("the pickle has a storage that is a part of another, as PyTorch wrote until 2017")
        storage = Storage(expect(parts[2], str), STORAGES[parts[1]], natural(parts[4]))
        if self.storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"the pickle describes storage {storage.key!r} in two ways")
        self.push(storage)

    def reduce(self) -> None:
        """Put on top what one of the names makes of arguments."""
        arguments, name = expect(self.pop(), tuple), expect(self.pop(), Name)
        if name == DICTIONARY and not arguments:
            self.push({})
        elif name in (TENSOR, OLD_TENSOR) and len(arguments) >= 4:
            storage, offset, shape, strides = arguments[:4]
            tensor = Tensor(expect(storage, Storage), natural(offset), naturals(shape), naturals(strides))
            self.push(tensor)
        elif name == PARAMETER and arguments:
            self.push(expect(arguments[0], Tensor))
        else:
            raise ValueError(f"the pickle makes something by {name.replace(' ', '.')} that is no weight")


def expect(thing: Any, kind: type) -> Any:
    """The thing, if it is of this kind.

    Raises
    ------
    ValueError
        If it isn't.
    """
    if not isinstance(thing, kind) or thing is _MARK:
        raise ValueError(f"the pickle has a {type(thing).__name__} where it needs a {kind.__name__}")
    return thing


def natural(thing: Any) -> int:
    """The thing, if it is a number that can count something."""
    if not isinstance(thing, int) or not 0 <= thing < 2**63:
        raise ValueError(f"the pickle has {str(thing)[:40]} where it needs a size")
    return int(thing)


def naturals(thing: Any) -> tuple[int, ...]:
    """The thing, if it is a tuple of such numbers."""
    return tuple(natural(number) for number in expect(thing, tuple))


def _first(count: int) -> Callable[[_Machine, Any], None]:
    """Make a tuple of so many things."""

    def act(machine: _Machine, argument: Any) -> None:
        machine.push(tuple(machine.pop() for _ in range(count))[::-1])

    return act


def _new(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    """Put something new on top."""
    return lambda machine, argument: machine.push(make())


_CONSTANT: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}

_ACTS: dict[str, Callable[[_Machine, Any], None]] = {
    **{name: _new(make) for name, make in _CONSTANT.items()},
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        lambda machine, argument: machine.push(argument),
    ),
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, argument: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), lambda machine, argument: machine.put(argument)),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, argument: machine.get(argument)),
    "TUPLE1": _first(1),
    "TUPLE2": _first(2),
    "TUPLE3": _first(3),
    "TUPLE": lambda machine, argument: machine.push(tuple(machine.since_mark())),
    "GLOBAL": lambda machine, argument: machine.name(argument),
    "STACK_GLOBAL": lambda machine, argument: machine.name(
        " ".join([expect(machine.pop(), str), expect(machine.pop(), str)][::-1])
    ),
    "BINPERSID": lambda machine, argument: machine.persistent(),
    "REDUCE": lambda machine, argument: machine.reduce(),
    "BUILD": lambda machine, argument: machine.build(),
    "SETITEM": lambda machine, argument: machine.set_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, argument: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine, argument: machine.append([machine.pop()]),
    "APPENDS": lambda machine, argument: machine.append(machine.since_mark()),
}
