"""What generated samples become before anybody looks at them, and what is known of them without their data.

``facts`` are what a checkpoint keeps of the data: ``form``, ``shape`` of a sample, ``bounds`` where it has some, and
what a form has of its own. A form has a file here, named after it, if its samples are something else than the numbers
that a generator's network gives; of the others, values are clipped to the bounds.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import registry

Facts = Mapping[str, Any]


def finish(made: np.ndarray, facts: Facts) -> np.ndarray:
    """Samples of what a generator's network gives, whose memory may be theirs.

    Parameters
    ----------
    made : array, shape (N, *shape)
        On the host.
    facts : mapping
        What a sample is.
    """
    if (form := _file(facts["form"])) is not None:
        return form.finish(made, facts)
    if "bounds" not in facts:
        return made
    least, most = map(float, facts["bounds"])
    return np.clip(made, least, most, out=made)


def as_made(samples: np.ndarray, facts: Facts, dtype: str) -> np.ndarray:
    """Samples in the form in which a network takes them, shape (N, *shape)."""
    form = _file(facts["form"])
    return samples.astype(dtype, copy=False) if form is None else form.as_made(samples, facts, dtype)


def encoders(facts: Facts) -> Mapping[str, Any]:
    """By the ending of a file's name, what turns samples and facts into its content, where a form has its own files."""
    form = _file(facts["form"])
    return {} if form is None else form.ENCODERS


@functools.cache  # asked for each batch
def _file(form: str) -> Any:
    """The file of a form, or None if it has none."""
    return registry.find("forms", form, "finish") if form in registry.kinds("forms", "finish") else None
