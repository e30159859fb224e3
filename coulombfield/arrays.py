"""Array libraries: which one a call's arrays belong to, and which version of a hot operation serves it.

This is the only file that imports CuPy. Nothing here converts an array from one library to another, except
:func:`to_numpy` and :class:`Device`, whose purpose that is.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import array_api_compat
import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

from . import called_files
from .compilation import compilations

Array = Any
"""An array of any supported library; the libraries share no common base class."""

PLAIN = (np.ndarray, np.memmap)
"""NumPy's arrays that are nothing but their numbers."""
_modules: dict[type, ModuleType] = {}


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Numba's compiler as this project uses it: cached on disk if that can be, without the GIL, dividing as NumPy does.

    To be used with ``@jit`` or ``@jit(option=value)``. With ``no_cpython_wrapper=True`` only compiled functions can
    call it, and Numba need not compile the way in from Python, which is long for many arrays.
    """
    if function is None:
        return functools.partial(jit, **options)
    options["no_cfunc_wrapper"] = True  # the way in from C, which nothing here takes
    compiled = numba.njit(nogil=True, error_model="numpy", **options)(function)
    compilations.watch(compiled)
    try:
        compiled._cache = _Cache(function)  # what cache=True does, with a cache that may fail
    except RuntimeError:
        _tell("Numba finds no folder that it may write to")
    return compiled


class _Cache(FunctionCache):
    """Numba's cache of a function's compiled forms, without which the function works all the same.

    They are made anew where any file that may be in them has changed, see :mod:`.called_files`.
    """

    @functools.cached_property
    def _stamp(self) -> tuple[Any, str]:
        """Stamp of the function's own file, and of all that it may call, which is imported by its first call."""
        return self._cache_file._source_stamp, called_files.digest(self._py_func.__module__)

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        """What a compiled form is looked up by, in an index that is of these files.

        What it calls by its arguments' types, such as a kernel's formulas, is in files that its own need not import.
        """
        self._cache_file._source_stamp = self._stamp
        types = _types_in(getattr(signature, "args", signature))
        modules = sorted({kind.instance_class.__module__ for kind in types if hasattr(kind, "instance_class")})
        return *super()._index_key(signature, codegen), *map(called_files.digest, modules)

    def load_overload(self, *arguments: Any) -> Any:
        """What was compiled earlier; None also where its file is damaged or may not be read."""
        if _calls_functions(arguments[0]):
            return None
        try:
            return self._loaded(*arguments)
        except Exception:  # unpickling raises whatever it comes across
            with contextlib.suppress(OSError):
                self.flush()  # what is damaged is made anew
            return None

    def _loaded(self, signature: Any, context: Any) -> Any:
        """What Numba's own method gives, which first loads all that it knows for compiling, for half a second.

        What has been compiled needs no more than its runtime for arrays; who compiles loads the rest then.
        """
        rtsys.initialize(context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(signature, context)

    def save_overload(self, *arguments: Any) -> None:
        """Keep what has been compiled, unless the disk is full or has become read-only."""
        if _calls_functions(arguments[0]):
            return
        try:
            super().save_overload(*arguments)
        except OSError as error:
            _tell(error.strerror or type(error).__name__)


def _types_in(kinds: Any) -> Iterator[Any]:
    """Numba's types of arguments, or of a tuple's elements, and of what is in them."""
    for kind in kinds:
        yield kind
        if isinstance(kind, numba.types.BaseTuple):
            yield from _types_in(kind)


def _calls_functions(signature: Any) -> bool:
    """Whether one is a function, which another process can't tell from others."""
    return any(isinstance(kind, numba.types.Dispatcher) for kind in _types_in(getattr(signature, "args", signature)))


@functools.cache
def _tell(reason: str) -> None:
    """Warn, once for each reason."""
    warnings.warn(
        f"compiled loops can't be kept on disk ({reason}), so that every process compiles its own, for seconds; "
        "let NUMBA_CACHE_DIR name a folder for them",
        RuntimeWarning,
        stacklevel=3,
    )


def backend(**arrays: Array) -> ModuleType:
    """Array-API namespace of the library that all ``arrays`` belong to.

    Parameters
    ----------
    **arrays : array
        The arguments to look at, under the names that an error should use.

    Returns
    -------
    module
        NumPy itself, or what array-api-compat gives for another library: CuPy, PyTorch, JAX, array-api-strict, ...

    Raises
    ------
    TypeError
        If an argument is no array or a NumPy array that is more than its numbers, such as a masked one, or two belong
        to different libraries: nothing is converted silently.
    ValueError
        If a size is not known yet, or two arrays live on different devices.
    """
    if arrays and not set(map(type, arrays.values())).difference(PLAIN):
        return np  # what follows finds nothing wrong with these, in the time of a small sum
    for name, array in arrays.items():
        _check_array(name, array)
    if not arrays:
        raise TypeError("backend() needs at least one array")
    (first, reference), *others = arrays.items()
    xp, device = namespace(reference), array_api_compat.device(reference)
    for name, array in others:
        # Not by their types: what JAX hands to a function that it traces is of another package than its arrays.
        if namespace(array) is not xp:
            raise TypeError(
                f"{name}: expected a {library(type(reference))} array like {first}, got one of {library(type(array))}"
            )
        other = array_api_compat.device(array)
        if other != device and other is not None and device is not None:  # what is traced may be on none yet
            raise ValueError(f"{name}: expected an array on {device} like {first}, got one on {other}")
    return xp


def namespace(array: Array) -> Any:
    """Array-API namespace of one array that :func:`backend` has seen: for many, a part of what it costs.

    NumPy has what the standard wants; array-api-compat's namespace for it would import all of its submodules. For CuPy
    it is asked once.
    """
    kind = type(array)
    if kind in PLAIN:
        return np
    if kind not in _namespaces:
        found = array_api_compat.array_namespace(array)
        if library(kind) != "cupy":  # JAX decides by an array's dtype too
            return found
        _namespaces[kind] = found
    return _namespaces[kind]


_namespaces: dict[type, Any] = {}


def floating(**given: Any) -> tuple[Array, ...]:
    """What users write for arrays, as floating-point arrays; arrays that are that already are returned themselves.

    Lists and tuples of numbers, and arrays of integers, get the dtype of the first floating-point array among the
    arguments, or float64 if there is none. Lists become arrays of the library and on the device of the first array
    beside them, or of NumPy. All else is left for :func:`backend` and others to refuse.

    Parameters
    ----------
    **given : array or nested sequence of numbers
        The arguments, under the names that an error should use.

    Returns
    -------
    tuple of array
        In the order of the arguments.

    Raises
    ------
    TypeError
        If a list holds something else than real numbers, such as booleans.
    ValueError
        If the rows of a list have different lengths.
    """
    if all(type(value) in PLAIN and value.dtype.kind == "f" for value in given.values()):
        return tuple(given.values())  # what follows finds nothing to change, in the time of a small sum
    arrays = {
        name: namespace(value)
        for name, value in given.items()
        if array_api_compat.is_array_api_obj(value) and not isinstance(value, np.generic)
    }
    like = next((given[name] for name, xp in arrays.items() if xp.isdtype(given[name].dtype, "real floating")), None)
    beside = next(((xp, array_api_compat.device(given[name])) for name, xp in arrays.items()), None)
    found = []
    for name, value in given.items():
        if name in arrays:
            xp = arrays[name]
            if xp.isdtype(value.dtype, "integral"):
                value = xp.astype(value, xp.float64 if like is None else _same_dtype(xp, like))
        elif isinstance(value, list | tuple):
            numbers = _numbers(name, value)
            xp, device = beside or (np, None)
            value = xp.asarray(numbers, dtype=xp.float64 if like is None else _same_dtype(xp, like), device=device)
        found.append(value)
    return tuple(found)


def _numbers(name: str, given: Any) -> np.ndarray:
    """A nested sequence as an array of real numbers on the host."""
    try:
        numbers = np.asarray(given)
    except ValueError:
        raise ValueError(f"{name}: expected rows of one length, got rows of several") from None
    if numbers.size and numbers.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected an array or lists of numbers, got {type(given).__name__} of {numbers.dtype}")
    return numbers.astype(np.float64)


def _same_dtype(xp: ModuleType, like: Array) -> Any:
    """The dtype of an array in the terms of a library that may be another one."""
    return xp.float32 if "float32" in str(like.dtype) else xp.float64


def _check_array(name: str, array: Any) -> None:
    """Raise unless something is an array of known shape that is nothing but its numbers."""
    if not array_api_compat.is_array_api_obj(array) or isinstance(array, np.generic):
        raise TypeError(f"{name}: expected an array, got {type(array).__name__}")
    numbers = getattr(array, "_meta", array)  # of Dask's arrays an empty one like their blocks
    if isinstance(numbers, np.ndarray) and type(numbers) not in PLAIN:
        # Compiled loops would take the numbers under a mask, or without their unit, and other engines would not.
        how = "fill or compress it first" if isinstance(numbers, np.ma.MaskedArray) else "pass np.asarray of it"
        raise TypeError(f"{name}: expected a plain array, got {type(numbers).__name__}; {how}")
    if any(size is None or size != size for size in array.shape):
        shape = ", ".join("?" if size is None or size != size else str(size) for size in array.shape)
        how = "; call its compute_chunk_sizes() first" if hasattr(array, "compute_chunk_sizes") else ""
        raise ValueError(f"{name}: expected an array of known size, got shape ({shape}){how}")


def library(array_type: type) -> str:
    """Name of the package that defines an array type: 'numpy', 'cupy', 'torch', ..."""
    return array_type.__module__.partition(".")[0]


def module_of(array: Array) -> ModuleType:
    """NumPy or CuPy itself, whichever made ``array``: a look-up by type, cheap enough for every call.

    Where in-place operations with ``out=`` are wanted, which the namespaces of :func:`backend` don't promise.
    """
    module = _modules.get(type(array))
    if module is None:
        module = _modules[type(array)] = sys.modules[library(type(array))]
    return module


class Primitive:
    """One hot operation: a reference in plain array code and faster versions for some libraries.

    The version is chosen by the type of the first argument. The reference serves every other library, and is
    the oracle that each version is tested against. A primitive returns its results and may reuse its inputs'
    memory: in place on NumPy and CuPy, functional elsewhere.

    Examples
    --------
    >>> @Primitive
    ... def scale(x, factor):
    ...     return x * factor
    >>> @scale.version("numpy")
    ... def scale_numpy(x, factor):
    ...     return np.multiply(x, factor, out=x)
    """

    registry: ClassVar[dict[str, Primitive]] = {}

    def __init__(self, reference: Callable[..., Any]):
        functools.update_wrapper(self, reference)
        self.reference = reference
        self.versions: dict[str, Callable[..., Any]] = {}
        self._chosen: dict[type, Callable[..., Any]] = {}
        self.name = f"{reference.__module__}.{reference.__qualname__}"
        self.registry[self.name] = self

    def version(self, library_name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a faster version for arrays of the named library."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.versions[library_name] = function
            return function

        return register

    def __call__(self, first: Array, *rest: Any, **keywords: Any) -> Any:
        """Call the version for the library of ``first``, or the reference."""
        chosen = self._chosen.get(type(first))
        if chosen is None:
            chosen = self._chosen[type(first)] = self.versions.get(library(type(first)), self.reference)
        return chosen(first, *rest, **keywords)


class Device(NamedTuple):
    """Where an experiment computes: the array namespace and a name for the log."""

    xp: ModuleType
    name: str

    def put(self, array: np.ndarray) -> Array:
        """Copy a host array to this device."""
        return self.xp.asarray(array)


def select_device(request: str = "auto", report: Callable[[str], None] = print, index: int = 0) -> Device:
    """Device for ``auto``, ``cpu`` or ``cuda``.

    ``auto`` takes the GPU where CuPy can use one and otherwise the CPU; where CuPy is installed but can't use
    a GPU, ``report`` is told why, once. Of several GPUs it is the current one, or for an ``index`` the one so many
    places behind it, starting over behind the last; that is then the current one.

    Raises
    ------
    ValueError
        If ``request`` is none of the three.
    RuntimeError
        If CUDA was asked for by name and can't be used; the message has the reason.
    """
    if request not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: expected auto, cpu or cuda, got {request!r}")
    if request == "cpu":
        return Device(np, "cpu")
    quiet = False
    try:
        return _cuda_device(index)
    except Exception as error:  # the driver and each CUDA library have exception classes of their own
        reason = f"CuPy can't use a GPU here: {error}"
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            reason, quiet = f"CuPy is not installed ({error}); install the extra cuda12 or cuda13", True
    if request == "cuda":
        raise RuntimeError(f"device: cuda was asked for, but {reason}")
    if not quiet:
        report(f"device: cpu ({reason})")
    return Device(np, "cpu")


def _cuda_device(index: int) -> Device:
    import cupy

    if not cupy.cuda.is_available():
        raise RuntimeError("no CUDA device is visible")
    if index:
        cupy.cuda.Device((cupy.cuda.Device().id + index) % cupy.cuda.runtime.getDeviceCount()).use()
    if float(cupy.ones(2) @ cupy.ones(2)) != 2.0:
        raise RuntimeError("a product of two vectors came out wrong")
    return Device(cupy, f"cuda:{cupy.cuda.Device().id}")


def to_numpy(array: Array) -> np.ndarray:
    """Host copy (or view) of an array of any library."""
    if library(type(array)) == "cupy":
        return array.get()
    if isinstance(array, np.ndarray):
        return array
    if not hasattr(array, "__dlpack__"):  # Dask, which computes what it has promised
        return np.asarray(array)
    return np.from_dlpack(array, device="cpu")


def current_gpu() -> str:
    """What tells the current GPU from all others of its machine."""
    import cupy

    device = cupy.cuda.Device().id
    properties = cupy.cuda.runtime.getDeviceProperties(device)
    # Processes may number their GPUs otherwise, each the one that it may see as 0.
    named = [properties[name] for name in ("uuid", "pciDomainID", "pciBusID", "pciDeviceID") if name in properties]
    return str(named or device)


def gpu_attributes(array: Array) -> dict[str, int]:
    """Attributes of the GPU where an array is, by CuPy's names; 0 for those that its driver does not tell."""
    device = array.device
    if device.id not in _attributes:  # they take some hundred calls of the driver
        _attributes[device.id] = device.attributes
    return _attributes[device.id]


_attributes: dict[int, dict[str, int]] = {}


def nccl_version() -> int:
    """Version of NCCL that CuPy finds, as a number; 0 where it finds none."""
    try:
        from cupy.cuda import nccl

        return int(nccl.get_version()) if nccl.available else 0
    except Exception:  # a library that isn't there, or not the right one, shows as anything
        return 0


def nccl_communicator(size: int, rank: int) -> Any:
    """CuPy's communicator of as many processes, each with a GPU of its own, which find each other by mpi4py.

    All of them have to call this.
    """
    from cupyx.distributed import init_process_group

    return init_process_group(size, rank, use_mpi=True)


@contextlib.contextmanager
def float32_products(xp: ModuleType, *, tf32: bool) -> Iterator[None]:
    """Matrix products of float32 by CuPy in this block: exact in float32, or with factors rounded to TF32.

    TF32 is the tensor cores' format of 10 bits and float32's range. Other namespaces than CuPy's have products of one
    kind only. What the environment variable CUPY_TF32 asks for holds again behind the block.
    """
    if xp.__name__.rpartition(".")[2] != "cupy":
        yield
        return
    from cupy import _core
    from cupy._core import _routines_linalg as kinds

    before = _core.get_compute_type(np.float32)
    _core.set_compute_type(np.float32, kinds.COMPUTE_TYPE_TF32 if tf32 else kinds.COMPUTE_TYPE_DEFAULT)
    try:
        yield
    finally:
        _core.set_compute_type(np.float32, before)


def number_in(array: Array, *, untold: float) -> float:
    """The number in an array of one; ``untold`` where there is none yet.

    While they trace, map or compile a function, JAX and PyTorch hand it arrays that have a shape and a dtype only, and
    refuse a number, each with an error of its own.
    """
    try:
        # PyTorch warns of a number that derivatives can't follow.
        return float(array.detach() if hasattr(array, "detach") else array)
    except (TypeError, ValueError, RuntimeError):
        return untold


def cuda_module(source: str, options: tuple[str, ...]) -> Any:
    """CUDA C++ as a module of CuPy's, which is compiled when one of its functions is first asked for.

    ``get_function(name)`` gives a function to be called as ``function(grid, block, arguments)``; it runs on the device
    that is current then.
    """
    import cupy

    return cupy.RawModule(code=source, options=options)
