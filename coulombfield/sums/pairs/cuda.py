"""Sums over charges in low dimension on CuPy: CUDA kernels, one text for all profiles, and their derivatives.

A profile's type brings a struct of CUDA code with it (``Profile.cuda``), so that its formulas are inlined, and its
numbers become an argument: only a new type, dtype, dimension or output compiles anew, once a machine, for CuPy caches
on disk.

Pairs are formed as differences a − b. A block of charges is added up in the arrays' dtype, the blocks of a superblock
and the superblocks in float64, all in the order given (``pairs.cu``). A result depends on neither the launch nor the
other targets, and calls repeat bit for bit. CuPy compiles float32 so that numbers below 1.2e-38 count as zero.

By the machine code (compute capability 7.5 to 10.0; nothing is measured), a pair of Plummer's kernel with d = 3 takes,
for potential and field, about 15 + 3 m instructions in float32, and 24 + 3 m in float64, of which 13 + 3 m are of
float64. One of them is the processor's estimate of a root, of which a multiprocessor makes 16 a cycle: with its 64 or
128 lanes, the other instructions take longer. A charge comes from memory once for the 256 targets of a block, which is
4 (m + 1) / 256 bytes a pair in float32, and from shared memory once for the two targets of a thread. So the rate of
float32 instructions bounds a sum, and in float64 that of float64's. With 36 to 96 registers a thread and no spills for
m ≤ 4, a multiprocessor holds 640 to 1536 threads (``tests/cuda/resources.py`` prints what each kernel takes).

Memory: the arguments once more where they are strided, 16 bytes a target and output, and at most ``PART_NUMBERS``
further numbers of float64.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np

from ...arrays import Array, cuda_module, gpu_attributes, library, namespace
from ...profiles import Profile
from ..costs import table
from ..request import Request, Result, Tangent

MAX_DIMENSION = 8  # beyond, a pair's distance costs more than its kernel, and matrix products win
THREADS = 128
LANES = 2  # targets of a thread: what is read from shared memory serves two, or reading would take the most time
BLOCK = 256  # charges added up in the arrays' dtype, which bounds the float32 error by that of 256 additions
SUPERBLOCK = 8 * BLOCK  # charges of one launched block: few, so that a few targets can still fill a device
PART_NUMBERS = 2**23  # sums of superblocks that wait to be added up
MOST_SUPERBLOCKS = 65535  # CUDA's limit in the second direction of a grid

INSTRUCTIONS_A_PAIR, INSTRUCTIONS_AN_AXIS = 15, 3  # those of the machine code in float32, as above
SINGLE_PRECISION_LANES = 128  # of a multiprocessor, on most architectures since 2016
USUAL_CLOCK, USUAL_DOUBLE_RATIO = 1.5e6, 2  # [kHz] and float32's lead over float64, where a driver does not tell


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the profile, or an empty string if it can."""
    targets = request.targets
    if library(type(targets)) != "cupy":
        return "it takes CuPy arrays only"
    if targets.shape[1] > MAX_DIMENSION:
        return f"it takes at most {MAX_DIMENSION} dimensions, not {targets.shape[1]}"
    unknown = without_code(request.profile)
    return f"it has no CUDA code for the profile {', '.join(unknown)}" if unknown else ""


def without_code(profile: Any) -> list[str]:
    """Names of a profile's types that have no CUDA code."""
    return sorted({kind.__name__ for kind in kinds_of(profile) if "cuda" not in vars(kind)})


def seconds(request: Request) -> float:
    """Time by the instructions of a pair and the speed of the device."""
    count, dimension = request.targets.shape
    slots = -(-count // (THREADS * LANES)) * (THREADS * LANES)  # the lanes of a block are busy also without targets
    instructions = slots * request.positions.shape[0] * (INSTRUCTIONS_A_PAIR + INSTRUCTIONS_AN_AXIS * dimension)
    return table().cuda_launch + instructions / instruction_rate(request.targets)


def instruction_rate(like: Array) -> float:
    """Instructions of single threads in the dtype of an array that its GPU should get through in a second."""
    attributes = gpu_attributes(like)
    clock = 1e3 * (attributes["ClockRate"] or USUAL_CLOCK)
    if like.dtype == np.float64:
        clock /= attributes["SingleToDoublePrecisionPerfRatio"] or USUAL_DOUBLE_RATIO
    return clock * attributes["MultiProcessorCount"] * SINGLE_PRECISION_LANES


def evaluate(request: Request) -> Result:
    """The sums."""
    return _sum(request, "sums.cu", "sum_pairs", (request.targets, request.positions, request.weights))


def jvp(request: Request, tangent: Tangent) -> Result:
    r"""Derivatives of the sums while targets, positions and weights move in the direction of ``tangent``.

    With d = a_i − b_j and δ = δa_i − δb_j,

    .. math::
        \delta\Phi_i &= \sum_j \delta q_j f + 2 q_j f'\, d\cdot\delta, \\
        \delta E_i &= -2 \sum_j \bigl(\delta q_j f' + 2 q_j f''\, d\cdot\delta\bigr) d + q_j f' \delta,

    which follow from ∂s = 2 d·δ. Targets and positions move on their own, also where they are the same array.

    Parameters
    ----------
    request : Request
        The sums; those of its outputs that it asks for are differentiated. Its profile must have a slope, and for the
        field a curvature.
    tangent : Tangent
        Arrays like those of the request.

    Returns
    -------
    Result
        δΦ, shape (T,), and δE, shape (T, m).
    """
    rest = (request.targets, request.positions, request.weights)
    moves = (_zeros_like(array) if move is None else move for array, move in zip(rest, tangent, strict=True))
    return _sum(request, "tangent.cu", "sum_tangents", (*rest, *moves))


def source(text: str, profile: Any) -> str:
    """The CUDA text of sums with a profile, whose entry point is in the named file."""
    return joined(profile, *map(read, ("charges.cu", "pairs.cu", text)))


def joined(profile: Any, *texts: str) -> str:
    """CUDA texts behind those of a profile's types."""
    return "\n".join([read("profiles.cu"), *structs(profile), *texts])


@functools.cache
def read(name: str, package: str = __package__) -> str:
    """The text in a package's file, which is read once."""
    return resources.files(package).joinpath(name).read_text()


def structs(profile: Any) -> list[str]:
    """The texts of a profile's types, each once; what a type is a variant of goes before it."""
    kinds = [base for kind in kinds_of(profile) for base in reversed(kind.__mro__)]
    return list(dict.fromkeys(text for kind in kinds if (text := vars(kind).get("cuda"))))


def options(dtype: Any, dimension: int, profile: Any, *, potential: bool, field: bool) -> tuple[str, ...]:
    """Definitions that turn the text into the code for one type of request."""
    definitions = {
        "REAL": {"float32": "float", "float64": "double"}[str(dtype)],
        "DIMENSION": dimension,
        "PROFILE": type_of(profile),
        "POTENTIAL": int(potential),
        "FIELD": int(field),
        "THREADS": THREADS,
        "LANES": LANES,
        "BLOCK": BLOCK,
        "SUPERBLOCK": SUPERBLOCK,
    }
    return tuple(f"-D{name}={value}" for name, value in definitions.items())


def type_of(profile: Any) -> str:
    """The struct of a profile, without a blank: ``Scaled<InversePower1>``."""
    nested = [type_of(part) for part in profile if isinstance(part, Profile)]
    return type(profile).__name__ + (f"<{','.join(nested)}>" if nested else "")


def packed(profile: Any, dtype: Any, *others: float) -> np.ndarray:
    """The numbers of a profile as its struct, or as one that has others behind them."""
    numbers = (*profile.cuda_numbers(), *others)
    return np.array(numbers, dtype=[(f"number{i}", dtype) for i in range(len(numbers))])


def _sum(request: Request, text: str, name: str, arrays: tuple[Array, ...]) -> Result:
    """Sums by the entry point named, launched for as many superblocks at a time as the memory for parts allows."""
    targets, dtype = request.targets, request.targets.dtype
    xp = namespace(targets)
    (count, dimension), charges = targets.shape, request.positions.shape[0]
    with targets.device:
        # Without charges nothing is launched, and the zeros are the result; what is not asked for has no elements.
        potential = xp.zeros(count if request.potential else 0, dtype=dtype)
        field = xp.zeros((count if request.field else 0, dimension), dtype=dtype)
        if count > 0 and charges > 0:
            numbers = count * (request.potential + request.field * dimension)
            superblocks = -(-charges // SUPERBLOCK)
            together = max(1, min(superblocks, PART_NUMBERS // numbers, MOST_SUPERBLOCKS))
            parts = xp.empty(together * numbers, dtype=xp.float64)
            totals = xp.empty(numbers, dtype=xp.float64)
            add, finish = _functions(
                source(text, request.profile),
                name,
                options(dtype, dimension, request.profile, potential=request.potential, field=request.field),
            )
            given = [xp.ascontiguousarray(array) for array in arrays]
            profile = packed(request.profile, dtype)
            for first in range(0, superblocks, together):
                some = min(together, superblocks - first)
                grid = (-(-count // (THREADS * LANES)), some)
                add(grid, (THREADS,), (*given, count, charges, request.exclude_self, first, profile, parts))
                finish(
                    (-(-numbers // THREADS),), (THREADS,), (parts, some, first == 0, count, totals, potential, field)
                )
    return Result(potential if request.potential else None, field if request.field else None)


@functools.cache
def _functions(text: str, name: str, definitions: tuple[str, ...]) -> tuple[Any, Any]:
    module = cuda_module(text, definitions)
    return module.get_function(name), module.get_function("finish")


def _zeros_like(array: Array) -> Array:
    return namespace(array).zeros_like(array)


def kinds_of(profile: Any) -> Iterator[type]:
    """Types of a profile and of those nested in it."""
    yield type(profile)
    for part in profile:
        if isinstance(part, Profile):
            yield from kinds_of(part)
