"""Questions that contradict themselves, found before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL

if TYPE_CHECKING:
    from dcpt.plan.objective import Objective


def contradiction(asked: Objective) -> None:
    """Refuse an objective whose fields exclude each other or leave the answer unbounded.

    Raises
    ------
    ValueError
        In one sentence; `dcpt.core.settings.validate` makes a ConfigError of it.
    """
    _size(asked)
    if asked.N is None:
        one_base(asked, (asked.N_min, asked.N_max) if asked.sizes is None else asked.sizes)
    _tokens(asked)
    _passes(asked)
    if set(asked.minimise) <= {GENERAL}:
        raise ValueError("minimise gives no weight to the domain side; wanted some, such as 'domain'")
    clearly = {DOMAIN} == set(asked.minimise)
    if clearly and not asked.keep and not asked.is_free:
        raise ValueError(
            "keep is missing and nothing else speaks for the general side; wanted a limit such as "
            "'general <= +2%', or a weight on the general loss"
        )
    names = [limit.eval_set for limit in asked.keep]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"keep limits {twice[0]!r} twice; wanted one limit for each evaluation set")


def one_base(asked: Objective, sizes: Iterable[float | None]) -> None:
    """Refuse one given loss of the base for runs of several sizes, whose bases differ; None is an open size.

    Taken for all of them it would make every size start from the same loss, and the smallest look best.

    Raises
    ------
    ConfigError
        When a loss is given and there is more than one size.
    """
    known = set(sizes)
    if asked.losses_now and (len(known) > 1 or None in known):
        raise ConfigError(
            "general_now is the loss of one base, and runs of several sizes are compared, whose bases have "
            "other losses; wanted it left out.",
            hint="losses of the bases in the loss table (--losses) are taken, and those of other sizes "
            "estimated from them; a ceiling such as 'general <= 2.95' needs none",
        )


def _size(asked: Objective) -> None:
    if asked.N is None and asked.budget is None:
        raise ValueError("key 'N' is missing, and there is no budget to choose it by")
    if asked.N is not None:
        for name in ("sizes", "N_min", "N_max"):
            if getattr(asked, name) is not None:
                raise ValueError(f"N and {name} are both given; leave N out to have it chosen")
    if asked.sizes is not None:
        if not asked.sizes:
            raise ValueError("sizes is empty; wanted at least one size such as 7B")
        if asked.N_min is not None or asked.N_max is not None:
            raise ValueError("sizes and a range of N are both given; wanted one of them")
    if asked.N_min is not None and asked.N_max is not None and asked.N_min >= asked.N_max:
        raise ValueError(f"N_min is {asked.N_min:g} and N_max {asked.N_max:g}; wanted N_min below N_max")


def _tokens(asked: Objective) -> None:
    pool = None if asked.pools is None else asked.pools.domain
    if asked.D is None and asked.budget is None and pool is None:
        raise ValueError(
            "key 'D' is missing, and there is neither a budget nor a domain pool to choose it by"
        )
    if asked.N is not None and asked.D is not None and asked.budget is not None:
        raise ValueError("N, D and a budget are all given, and a budget is what chooses; leave N or D out")
    if asked.D is not None and asked.D_max is not None:
        raise ValueError("D and D_max are both given; leave D out to have it chosen")


def _passes(asked: Objective) -> None:
    for side in (DOMAIN, GENERAL):
        cap = None if asked.epochs is None else getattr(asked.epochs, side)
        pool = None if asked.pools is None else getattr(asked.pools, side)
        if cap is not None and pool is None:
            raise ValueError(f"epochs caps passes over a {side} pool that is not given; wanted pools.{side}")
    if asked.epochs is None or asked.pools is None or asked.D is None:
        return
    passes = (asked.epochs.domain, asked.epochs.general)
    tokens = (asked.pools.domain, asked.pools.general)
    if None in passes or None in tokens:
        return
    held = sum((cap or 0.0) * (pool or 0.0) for cap, pool in zip(passes, tokens, strict=True))
    if held < asked.D:
        raise ValueError(
            f"D is {asked.D:g}, and both pools with their epochs hold {held:g} tokens; wanted no more than "
            "they hold"
        )
