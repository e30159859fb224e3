r"""Jensen–Shannon divergence of n-grams.

.. math:: D = \tfrac12 \bigl[\mathrm{KL}(p \| m) + \mathrm{KL}(q \| m)\bigr], \qquad m = \tfrac12 (p + q),

in bits, hence from 0 to 1, where p and q are the shares of each n-gram among those of samples and of data. Nothing is
smoothed. As ``js_with`` of the program of Gulrajani et al., "Improved Training of Wasserstein GANs" (2017).
"""

from __future__ import annotations

import numpy as np

from .ngrams import NGrams


def jensen_shannon(samples: NGrams, data: NGrams, minus: NGrams | None = None) -> list[float]:
    r"""Divergence of samples from data, for n = 1, 2, ...

    Parameters
    ----------
    samples, data : NGrams
        Counted with the same alphabet, in lines of the same length.
    minus : NGrams, optional
        N-grams of lines that are among those of ``data`` and not to be taken for data.

    Returns
    -------
    list of float
        A divergence for each n [bit].

    Raises
    ------
    ValueError
        If alphabets or lengths differ, or nothing is left of the data.

    Notes
    -----
    An n-gram that only the data have adds half its share, :math:`\tfrac12 q \log_2 (q / \tfrac q2)`, so that all of
    them together add half of what the n-grams of the samples leave, and only these are looked up.
    """
    for name, other in (("samples", samples), ("minus", minus)):
        if other is not None and (other.vocabulary, other.length) != (data.vocabulary, data.length):
            raise ValueError(
                f"{name}: expected lines of {data.length} symbols with {data.vocabulary} codes, as the data have, got "
                f"{other.length} with {other.vocabulary}"
            )
    left = data.lines - (minus.lines if minus is not None else 0)
    if left <= 0:
        raise ValueError(f"minus: expected less than {data.lines} lines, got {data.lines - left}")
    off = samples.counts_in(minus) if minus is not None else [np.int64(0)] * len(data.levels)
    found = []
    for n, (level, there, taken) in enumerate(zip(samples.levels, samples.counts_in(data), off, strict=True), 1):
        p = level.counts / samples.total(n)
        q = (there - taken) / (left * (data.length - n + 1))
        m = (p + q) / 2
        both = q > 0
        terms = p * np.log2(p / m)
        terms[both] += q[both] * np.log2(q[both] / m[both])
        found.append(float(terms.sum() + max(0.0, 1.0 - float(q.sum()))) / 2)
    return found
