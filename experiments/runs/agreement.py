"""What has to be the same on all ranks before they train together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from .. import UserError, schema
from ..config import Setup
from ..ranks.alone import Ranks
from . import provenance

SOURCES = ("*.py", "*.cu", "*.cuh")
"""Files of the packages that decide what is computed."""
SHOWN = 4
"""Differences of a rank that are told in full."""


class DisagreementError(UserError):
    """Ranks were started with different things; every one of them says so."""

    each_rank = True


def check(ranks: Ranks, setup: Setup, device: str, data: Mapping[str, str], **facts: Any) -> None:
    """Raise on every rank unless configuration, code, versions, device and data are the same on all.

    Parameters
    ----------
    ranks : Ranks
        Who has to agree.
    setup : Setup
        What this rank is to run.
    device : str
        Where: ranks may have different GPUs, but not some a GPU and others none.
    data : mapping of str to str
        What the experiment says about its data, such as checksums.
    **facts
        Whatever else has to be the same, by name.

    Raises
    ------
    DisagreementError
        With the rank that differs from the first, and in what.
    """
    if ranks.size == 1:
        return
    settings = schema.dotted({"experiment": setup.experiment, **schema.to_dict(setup.config)})
    own = {
        **dict(settings),
        **facts,
        "device": device.partition(":")[0],
        **{f"version of {name}": version for name, version in provenance.versions().items()},
        "code (checksum of its files)": code(),
        **{name.replace("_", " "): text for name, text in data.items() if name != "data"},
    }
    everyone = ranks.objects(own)
    found = []
    for rank, other in enumerate(everyone):
        names = [name for name in {**everyone[0], **other} if everyone[0].get(name) != other.get(name)]
        told = [f"{name} is {_shown(other, name)}, not {_shown(everyone[0], name)}" for name in names[:SHOWN]]
        if names:
            more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            found.append(f"on rank {rank}, {', '.join(told)}{more}")
    if found:
        raise DisagreementError(f"ranks have to agree, and differ from rank 0: {'; '.join(found)}")


def code() -> str:
    """Checksum of the packages' files, which tells edited checkouts apart."""
    summary = hashlib.blake2b(digest_size=8)
    for package in provenance.CODE:
        for path in sorted(file for kind in SOURCES for file in (provenance.CHECKOUT / package).rglob(kind)):
            summary.update(str(path.relative_to(provenance.CHECKOUT)).encode() + b"\0" + path.read_bytes())
    return summary.hexdigest()


def _shown(facts: Mapping[str, Any], name: str) -> str:
    return repr(facts[name]) if name in facts else "missing"
