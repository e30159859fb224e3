"""Peers of the field sums on a GPU, each with its arrays there before it is called."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from coulombfield.arrays import Device
from coulombfield.sums.fourier.planning import plan
from coulombfield.sums.fourier.transforms import PACKAGES
from coulombfield.sums.request import Request

from ..rows import TF32, jax_sees, torch_device, torch_sees
from .cases import Problem
from .peers import (
    CANCELS,
    LOW,
    Call,
    Peer,
    bare_products,
    jax_jit,
    keops_formula,
    keops_refusal,
    low_dimension,
    torch_compile,
    torch_eager,
    torch_tensors,
)

TRANSFORMS = "cuFINUFFT alone"


def bare_products_on(device: Device) -> Peer:
    """The matrix products that sums in high dimension can't do without, by cuBLAS."""
    return Peer((), "", lambda problem, field: "", functools.partial(bare_products, xp=device.xp))


def gpu_peers(device: Device) -> dict[str, Peer]:
    """All of them by name, also those that are not installed or don't see the GPU."""
    blind = importlib.util.find_spec("torch") is None or not torch_sees(device)
    by_torch = {
        "PyKeOps": (keops_refusal, keops),
        "torch eager": (_no, _with_tf32(torch_eager, False)),
        f"torch eager, {TF32}": (_nothing_to_round, _with_tf32(torch_eager, True)),
        "torch.compile": (low_dimension, _with_tf32(torch_compile, False)),
    }
    peers = {}
    for name, (refusal, prepare) in by_torch.items():
        modules, install = (("torch",), "torch") if name != "PyKeOps" else (("pykeops", "torch"), "pykeops torch")
        note = CANCELS if "eager" in name else ""
        call = functools.partial(prepare, device=torch_device(device))
        peers[name] = Peer(modules, install, refusal, call, note_in_high_dimension=note, blind=blind)
    peers["JAX jit"] = Peer(
        ("jax",), "'jax[cuda13]'", _no, jax_jit, note_in_high_dimension=CANCELS, blind=not jax_sees(device)
    )
    cufinufft = PACKAGES["cupy"]
    peers[TRANSFORMS] = Peer(
        (cufinufft,), cufinufft, _high_dimension, functools.partial(transforms_alone, xp=device.xp),
        growth=1.1, takes_rtol=True, note="the two transforms of fourier with plans kept, no sums",
    )  # fmt: skip
    return peers


def _no(problem: Problem, field: bool) -> str:
    return ""


def _nothing_to_round(problem: Problem, field: bool) -> str:
    products = problem.points.shape[1] > LOW and problem.points.dtype == np.float32
    return "" if products else "no products of float32"


def _high_dimension(problem: Problem, field: bool) -> str:
    return "" if problem.points.shape[1] <= 3 else "m ≤ 3 only"


def _with_tf32(prepare: Callable[..., Call], allowed: bool) -> Callable[..., Call]:
    """A peer of PyTorch's whose products may round their factors to TF32, or not."""

    def prepared(problem: Problem, field: bool, rtol: float, device: str) -> Call:
        from ..torch_variants import allow_tf32

        call = prepare(problem, field, rtol, device)

        def sums() -> tuple[Any, Any]:
            allow_tf32(allowed)
            return call()

        return sums

    return prepared


def keops(problem: Problem, field: bool, rtol: float, device: str) -> Call:
    """PyKeOps with PyTorch's arrays, which it takes where they are."""
    reduction = importlib.import_module("pykeops.torch").Genred(
        *keops_formula(problem, field), reduction_op="Sum", axis=1
    )
    points, weights, square = torch_tensors(problem, device)
    arguments = points, points, weights[:, None], square[None]
    backend = "CPU" if device == "cpu" else "GPU"

    def call() -> tuple[Any, Any]:
        sums = reduction(*arguments, backend=backend)
        return sums[:, 0], sums[:, 1:] if field else None

    return call


def transforms_alone(problem: Problem, field: bool, rtol: float, xp: Any) -> Call:
    """Both transforms of ``fourier``, by finufft or cuFINUFFT alone: charges to modes, modes to targets.

    Its sums are no potential, for the kernel's factors are left out.
    """
    profile, dimension = problem.case.kernel.profile, problem.points.shape[1]
    request = Request(problem.points, problem.points, problem.weights, profile, False, True, field, rtol)
    assert profile.smooth_length is not None  # as of all cases' kernels
    found = plan(request, profile.smooth_length, rtol)
    if found is None:
        raise ValueError("would take too many modes")
    layout, budget = found.layout, found.budget
    module = importlib.import_module(PACKAGES["numpy" if xp is np else "cupy"])
    real = problem.points.dtype
    kind = np.result_type(real, np.complex64)
    half = np.array([np.pi * (1 - 1e-6)]).astype(real)[0]
    spread = np.abs(problem.points).max(axis=0)
    angles = [xp.asarray(problem.points[:, axis] / spread[axis] * half) for axis in range(dimension)]
    weights = xp.asarray(problem.weights.astype(kind))
    sets = 1 + field * dimension
    least = 3e-7 if kind == np.complex64 else 3e-15
    tolerances = [max(tolerance, least) for tolerance in (budget.first, budget.second)]
    forward = module.Plan(1, layout.shape, 1, tolerances[0], -1, str(kind), upsampfac=layout.oversampling)
    back = module.Plan(2, layout.shape, sets, tolerances[1], 1, str(kind), upsampfac=layout.oversampling)

    def call() -> tuple[None, None]:
        forward.setpts(*angles)
        modes = forward.execute(weights)
        back.setpts(*angles)
        back.execute(xp.ascontiguousarray(xp.broadcast_to(modes, (sets, *modes.shape))) if sets > 1 else modes)
        return None, None

    return call
