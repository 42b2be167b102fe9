"""From the weights of corpora and a ratio to shares of tokens, as exact decimals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL, ROLES
from dcpt.corpus.shards import Corpus
from dcpt.corpus.spec import CorpusSpec

DIGITS = 12
"""Decimals of a share, and of a ratio: far finer than one sequence of any run, and short to write."""


def weights_within_sides(specs: Sequence[CorpusSpec], corpora: Mapping[str, Corpus]) -> dict[str, float]:
    """Share of each corpus inside its side: by the weights of the sweep file, else by training tokens.

    Parameters
    ----------
    specs : sequence of CorpusSpec
        The corpora as the sweep file has them.
    corpora : mapping of str to Corpus
        The same, tokenised.

    Returns
    -------
    dict of str to float
        The general side first; nine decimals, so that a side may miss 1 by a few 1e-9.

    Raises
    ------
    ConfigError
        When only some corpora of a side have a weight, or a side weighs nothing.
    """
    return {
        name: weight for role in (GENERAL, DOMAIN) for name, weight in _side(role, specs, corpora).items()
    }


def _side(role: str, specs: Sequence[CorpusSpec], corpora: Mapping[str, Corpus]) -> dict[str, float]:
    side = {spec.name: spec.weight for spec in specs if spec.role == role}
    if any(weight is None for weight in side.values()):
        if any(weight is not None for weight in side.values()):
            raise ConfigError(f"corpora: either every {role} corpus has a weight or none has.")
        side = {name: float(corpora[name].train.tokens) for name in side}
    total = sum(weight for weight in side.values() if weight is not None)
    if not total > 0:
        raise ConfigError(f"corpora: the weights of the {role} corpora sum to {total}; wanted more than 0.")
    return {name: round(float(weight or 0) / total, 9) for name, weight in side.items()}


def shares_at(within: Mapping[str, float], roles: Mapping[str, str], r: float) -> dict[str, float]:
    """Share of tokens of each corpus at a domain share `r`.

    The shares are decimals of `DIGITS` digits. As decimals, those of the domain side sum to `r` and those
    of the general side to ``1 - r``, exactly: what rounding leaves over goes to the largest corpus of the
    side.

    Parameters
    ----------
    within : mapping of str to float
        Share of each corpus inside its side (see `weights_within_sides`).
    roles : mapping of str to str
        Side of each corpus; its order is that of the result.
    r : float
        Domain share, in [0, 1]; read to `DIGITS` decimals.

    Returns
    -------
    dict of str to float
    """
    domain = _decimal(r)
    shares = {
        name: _decimal(weight * (r if roles[name] == DOMAIN else 1 - r)) for name, weight in within.items()
    }
    for role in ROLES:
        side = [name for name in shares if roles[name] == role]
        if side:
            largest = max(side, key=lambda name: shares[name])
            wanted = domain if role == DOMAIN else 1 - domain
            shares[largest] += wanted - sum((shares[name] for name in side), Decimal(0))
    return {name: float(shares[name]) for name in roles}


def _decimal(value: float) -> Decimal:
    return Decimal(repr(round(float(value), DIGITS)))
