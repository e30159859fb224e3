"""What a sentence of the paper is worth, in words that numbers decide."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from .ways import WAYS, Standing

SENTENCE = (
    "Section 2.4 of the paper says of the minibatch's own potential that its “high variance has to be counteracted by "
    "extremely low learning rates, which makes learning infeasible in practice”, and has a discriminator instead."
)

APART = 2.0
"""Factor from which on two energies are told apart: those of different seeds differ by less."""
LEARNED = 10.0
"""Factor by which an energy falls from its start where there has been learning."""
FLOORS = 2.0
"""Noise floors below which an energy can't be told from zero; two such energies are alike."""
ALIKE = 0.1
"""Difference of two cosines up to which they are alike."""

RULES = (
    f"Energies are told apart from a factor of {APART:g} on; those below {FLOORS:g} noise floors count as so much; a "
    f"fall to 1/{LEARNED:g} of the start's is learning. The sentence holds where the Coulomb GAN's energy is lower by "
    "such a factor, does not where it isn't and the minibatch's field has learned, and is left open otherwise. Cosines "
    f"are told apart from a difference of {ALIKE:g} on. This is one seed; others are other runs."
)

SAID = {True: "holds", False: "does not hold", None: "is left open"}


class Verdict(NamedTuple):
    """What one comparison says.

    Attributes
    ----------
    holds : bool or None
        Whether the discriminator is needed; None where neither way is ahead and the minibatch's does not learn.
    words : str
        Why.
    """

    holds: bool | None
    words: str


def verdict(start: float, floor: float, energies: Mapping[str, float]) -> Verdict:
    """Whether the minibatch's field can't be followed, and the discriminator can.

    Parameters
    ----------
    start : float
        Energy of the generator that all ways start from [length**-d].
    floor : float
        Noise floor of energies [length**-d].
    energies : mapping of str to float
        By way [length**-d].
    """
    told = {name: max(value, FLOORS * floor) for name, value in energies.items()}
    part, beside = told["minibatch"] / start, partial(_beside, told)
    learned = part * LEARNED <= 1
    holds = True if told["coulomb"] * APART <= told["minibatch"] else False if learned else None
    words = (
        f"In {WAYS['minibatch']} the energy has come to {part:.2g} of the start's, which is "
        f"{'learning' if learned else 'no learning'}; it is {beside('minibatch', 'coulomb')}: the sentence "
        f"{SAID[holds]}. It is {beside('minibatch', 'all')}, whose real half has no noise. A discriminator that "
        f"learns the field as well has {beside('coulomb_field', 'coulomb')} and {beside('coulomb_field', 'minibatch')}."
    )
    return Verdict(holds, words)


def _beside(energies: Mapping[str, float], one: str, other: str) -> str:
    """Where one energy is, beside another."""
    ratio = energies[one] / energies[other]
    return f"{ratio:.2g} times that of {WAYS[other]}{' (not told apart)' if 1 / APART < ratio < APART else ''}"


def told(
    start: float,
    floor: float,
    now: Standing,
    in_the_same_time: Standing,
    measures: Mapping[str, str],
    cosines: Mapping[str, float],
) -> tuple[str, str]:
    """Headline and text of both comparisons.

    Parameters
    ----------
    start, floor
        As for :func:`verdict`.
    now, in_the_same_time : Standing
        After the same updates, and in the same time.
    measures : mapping of str to str
        Measures that the text tells, by name, and what it calls them; ``energy`` decides.
    cosines : mapping of str to float
        Between an update's gradient and the energy's, by way, over the whole run.
    """
    updates, time = (verdict(start, floor, moment.measures["energy"]) for moment in (now, in_the_same_time))
    fastest = min(WAYS, key=lambda name: now.seconds[name])
    done = ", ".join(f"{in_the_same_time.updates[name]:,.0f}" for name in WAYS)
    text = [
        SENTENCE,
        f"After {next(iter(now.updates.values())):,.0f} updates of each: {_numbers(now, measures)} (in the order "
        f"{', '.join(WAYS.values())}; energy of the start {start:.2g}, noise floor {floor:.2g}). {updates.words}",
        f"In the {in_the_same_time.seconds[fastest]:.3g} s that {WAYS[fastest]} took for this, the updates were {done}"
        f": {_numbers(in_the_same_time, measures)}. {time.words}",
        f"Noise: between the gradient of an update and that of the energy, the cosine is {_in_order(cosines)} (median "
        f"over the run). {_noise(cosines, 'coulomb')} {_noise(cosines, 'all')}",
        RULES,
    ]
    return _headline(updates, time), " ".join(text)


def _headline(updates: Verdict, time: Verdict) -> str:
    if updates.holds == time.holds:
        return f"the sentence {SAID[updates.holds]}, at the same number of updates and in the same time"
    return f"the sentence {SAID[updates.holds]} at the same number of updates and {SAID[time.holds]} in the same time"


def _numbers(moment: Standing, measures: Mapping[str, str]) -> str:
    return "; ".join(f"{called} {_in_order(moment.measures[name])}" for name, called in measures.items())


def _in_order(values: Mapping[str, float]) -> str:
    return ", ".join(f"{values[way]:.2g}" for way in WAYS)


def _noise(cosines: Mapping[str, float], other: str) -> str:
    """Whether the minibatch's field is noisier than another."""
    less = cosines["minibatch"] - cosines[other]
    said = "noisier than" if less < -ALIKE else "less noisy than" if less > ALIKE else "as noisy as"
    way = WAYS["minibatch"]
    return f"{way[0].upper()}{way[1:]} is {said} {WAYS[other]}."
