"""Which library arrays belong to, which version of a primitive serves them, and which device is chosen."""

import errno

import array_api_strict
import numba
import numpy as np
import pytest
from numba.core import caching

from coulombfield import arrays
from coulombfield.arrays import Primitive, backend, float32_products, jit, select_device, to_numpy


def test_backend_knows_each_library(library, dtype):
    array = library.put(np.zeros(3, dtype))
    assert backend(one=array, two=array) is library.xp


def test_backend_refuses_a_mix_of_libraries():
    with pytest.raises(TypeError, match=r"^b: expected a numpy array like a"):
        backend(a=np.zeros(1), b=array_api_strict.zeros(1))


def test_backend_refuses_a_mix_of_devices():
    there = array_api_strict.zeros(1, device=array_api_strict.Device("device1"))
    with pytest.raises(ValueError, match=r"^b: expected an array on .*CPU_DEVICE"):
        backend(a=array_api_strict.zeros(1), b=there)


@pytest.mark.parametrize("thing", [None, 1.0, [1.0], np.float64(1.0), "array"])
def test_backend_refuses_what_is_no_array(thing):
    with pytest.raises(TypeError, match=r"^a: expected an array"):
        backend(a=thing)


class Metres(np.ndarray):
    """An array with a unit, which would be lost."""


@pytest.mark.parametrize(
    ("array", "way"), [(np.ma.zeros(1), "fill or compress it first"), (np.zeros(1).view(Metres), "pass np.asarray")]
)
def test_backend_refuses_what_is_more_than_its_numbers(array, way):
    with pytest.raises(TypeError, match=rf"^b: expected a plain array, got {type(array).__name__}; {way}"):
        backend(a=np.zeros(1), b=array)


class Unsized:
    """An array of a library that works out sizes later: None or NaN stands for those."""

    def __init__(self, *shape):
        self.shape = shape

    def __array_namespace__(self, api_version=None):
        return array_api_strict


class Chunked(Unsized):
    def compute_chunk_sizes(self):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (Unsized(None, 2), r"^a: expected an array of known size, got shape \(\?, 2\)$"),
        (Chunked(np.nan, 2), r"^a: expected an array of known size, got shape \(\?, 2\); call its compute_chunk_sizes"),
    ],
)
def test_backend_refuses_an_array_of_unknown_size(array, message):
    with pytest.raises(ValueError, match=message):
        backend(a=array)


def test_dask_says_how_to_make_sizes_known():
    dask = pytest.importorskip("dask.array")
    numbers = np.random.default_rng(0).standard_normal((20, 2))
    array = dask.from_array(numbers, chunks=5)
    some = array[array[:, 0] > 0]
    with pytest.raises(ValueError, match=r"^a: .*call its compute_chunk_sizes\(\) first"):
        backend(a=some)
    backend(a=some.compute_chunk_sizes())
    np.testing.assert_array_equal(to_numpy(array), numbers)
    with pytest.raises(TypeError, match=r"^a: expected a plain array, got MaskedArray"):
        backend(a=dask.ma.masked_array(array, array > 0))


def test_backend_needs_an_array():
    with pytest.raises(TypeError, match="at least one"):
        backend()


def test_to_numpy_brings_the_same_numbers(library, dtype):
    numbers = np.arange(6, dtype=dtype).reshape(2, 3)
    back = to_numpy(library.put(numbers))
    assert type(back) is np.ndarray
    assert back.dtype == numbers.dtype
    assert np.array_equal(back, numbers)


def test_a_primitive_takes_the_version_of_the_first_argument(monkeypatch):
    monkeypatch.setattr(Primitive, "registry", {})

    @Primitive
    def half(x, *, offset=0.0):
        """Half."""
        return "reference", x * 0.5 + offset

    @half.version("numpy")
    def half_numpy(x, *, offset=0.0):
        return "numpy", x * 0.5 + offset

    assert Primitive.registry == {half.name: half}
    assert half.__doc__ == "Half."
    assert half(np.ones(1))[0] == "numpy"
    version, result = half(array_api_strict.ones(1), offset=1.0)
    assert version == "reference"
    assert float(result[0]) == 1.5


def test_the_cpu_is_numpy():
    device = select_device("cpu")
    assert device.xp is np
    assert isinstance(device.put(np.zeros(1)), np.ndarray)


def test_auto_finds_a_device_and_says_why_not_cuda():
    reports = []
    device = select_device("auto", reports.append)
    assert device.name == "cpu" or device.name.startswith("cuda:")
    assert len(reports) <= (device.name == "cpu")


def test_cuda_works_or_says_why_not():
    if select_device("auto", lambda reason: None).name == "cpu":
        with pytest.raises(RuntimeError, match=r"^device: cuda was asked for, but CuPy"):
            select_device("cuda")
    else:
        assert float(to_numpy(select_device("cuda").put(np.ones(2)).sum())) == 2.0


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match=r"^device: expected auto, cpu or cuda, got 'tpu'"):
        select_device("tpu")


def twice(x):
    return 2 * x


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder of its own for what Numba compiles."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    arrays._tell.cache_clear()
    return tmp_path


def test_loops_are_compiled_without_a_folder_to_keep_them(cache, monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    with pytest.warns(RuntimeWarning, match=r"can't be kept on disk \(Numba finds no folder") as told:
        functions = jit(twice), jit(fastmath=True)(twice)
    assert [function(3) for function in functions] == [6, 6]
    assert len(told) == 1


def test_loops_are_compiled_on_a_full_disk(cache, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    with pytest.warns(RuntimeWarning, match=r"can't be kept on disk \(No space left on device\)"):
        assert jit(twice)(3) == 6


def test_a_damaged_file_of_compiled_loops_is_made_anew(cache):
    jit(twice)(3)
    assert len(list(cache.rglob("*.nb[ci]"))) == 2
    for suffix in (".nbi", ".nbc"):
        for kept in cache.rglob(f"*{suffix}"):
            kept.write_bytes(kept.read_bytes()[:10])
        made, found = jit(twice), jit(twice)
        assert made(3) == found(3) == 6
        assert (made.stats.cache_misses.total(), found.stats.cache_hits.total()) == (1, 1)


def test_products_round_their_factors_in_a_block_only(device):
    """On NumPy there is nothing to round."""
    kind = product_kind if device.xp is not np else lambda: None
    before = kind()
    with float32_products(device.xp, tf32=True):
        rounded = kind()
        with float32_products(device.xp, tf32=False):
            assert kind() == before
        assert kind() == rounded
    with pytest.raises(ZeroDivisionError), float32_products(device.xp, tf32=True):
        _ = 1 / 0
    assert kind() == before
    assert (rounded != before) == (device.xp is not np)


def product_kind() -> int:
    from cupy import _core

    return _core.get_compute_type(np.float32)
