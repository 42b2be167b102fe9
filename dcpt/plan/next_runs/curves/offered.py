"""Which runs to consider for fits of loss curves: sizes, mixtures and schedules of the curves, and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.quantity import format_quantity
from dcpt.core.schedule import Schedule
from dcpt.core.symbols import GENERAL
from dcpt.fit.loss_curves.limits import CPT_PEAK
from dcpt.plan.next_runs.candidates import ROUND
from dcpt.plan.next_runs.curves.run import CurveRun
from dcpt.plan.next_runs.prices import Prices, same_size

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_OWN = ("r", "s", CPT_PEAK)
"""Constants that belong to a run and not to its base."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """A run as a user names it.

    Attributes
    ----------
    N : float
        Non-embedding parameters; one of the curves' sizes.
    r : float or None
        Domain share; None where the curves have none.
    schedule : str
        What its schedule is called.
    cpt : Schedule or RateHistory
        Rates of continual pre-training.
    seed : int
        Repeats differ in it.
    """

    N: float
    r: float | None
    schedule: str
    cpt: Schedule | RateHistory
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Shelf:
    """The curves that are there, as what other runs are made of.

    Attributes
    ----------
    curves : mapping
        Side to the fitted curves of continual pre-training.
    texts : mapping
        Run to its schedule as text, where one is known.
    prices : Prices
        What a token costs.
    """

    curves: Mapping[str, Sequence[Curve]]
    texts: Mapping[str, str]
    prices: Prices

    @property
    def own(self) -> list[Curve]:
        """Curves of one side, without those of bases."""
        some = next(iter(self.curves.values()))
        return [curve for curve in some if curve.steps[-1] > curve.history.switch + 1]

    @property
    def sizes(self) -> tuple[float, ...]:
        """Sizes of the curves, ascending.

        Raises
        ------
        DataError
            When a curve does not say its size: a price follows from it.
        """
        for curve in self.own:
            if "N" not in curve.given:
                raise DataError(
                    f"curve {curve.name}: does not say its size N, from which its price follows.",
                    hint="map its column or give it where the curves are fitted: --set N=7M",
                )
        return tuple(sorted({curve.given["N"] for curve in self.own}))

    @property
    def shares(self) -> tuple[float, ...]:
        """Domain shares of the curves, ascending; empty when none is known."""
        return tuple(sorted({curve.given["r"] for curve in self.own if "r" in curve.given}))

    def schedules(self) -> dict[str, RateHistory]:
        """Different rates of continual pre-training, by the text of their schedule or the name of a run."""
        found: dict[bytes, tuple[str, RateHistory]] = {}
        for curve in self.own:
            history, switch = curve.history, curve.history.switch
            rates = history.rates[switch:]
            key = np.round(rates / rates.max(), 9).tobytes() + f"{rates.max():.9g}".encode()
            cut = RateHistory(rates, 0, history.rising[switch:])
            found.setdefault(key, (self.texts.get(curve.name) or curve.name, cut))
        return dict(found.values())

    def build(self, wanted: Wanted) -> CurveRun:
        """A run on offer, read as often as the fitted curves are.

        Raises
        ------
        ConfigError
            When no curve is of that size: its base's losses are not known.
        DataError
            When the curves do not say how many tokens a step takes.
        """
        like = next((c for c in self.own if same_size(c.given.get("N", 0.0) or 1.0, wanted.N)), None)
        if like is None:
            sizes = ", ".join(format_quantity(N) for N in self.sizes)
            raise ConfigError(
                f"candidate N={format_quantity(wanted.N)}: no fitted curve is of that size, so that its base "
                f"is not known; there are {sizes}."
            )
        tokens = like.given.get("tokens_per_step")
        if tokens is None:
            raise DataError(
                f"curve {like.name}: does not say how many tokens a step takes; a price needs it.",
                hint="the table needs the tokens trained on: map their column, --map D=COLUMN",
            )
        history = _joined(like.history, wanted.cpt)
        spacing = int(np.median([np.median(np.diff(c.steps)) for c in self.own if len(c) > 1] or [1]))
        last = len(history)
        steps = np.arange(history.switch + spacing, last + 1, spacing)
        steps = np.unique(np.concatenate([steps, [last]]))
        # Losses of the warm-up are not fitted.
        steps = steps[~history.rising[steps - 1]] if not history.rising[last - 1] else steps[-1:]
        given = {side: self._given(side, wanted, history) for side in self.curves}
        share = "" if wanted.r is None else f" r={wanted.r:.3g}"
        seed = f" (run {wanted.seed + 1})" if wanted.seed else ""
        return CurveRun(
            name=f"N={format_quantity(wanted.N)}{share} {wanted.schedule}{seed}",
            history=history,
            steps=steps,
            given=given,
            life=(wanted.N, wanted.r, wanted.seed, history.switch),
            flops_per_step=self.prices.per_token(wanted.N) * tokens,
            kind=self._kind(wanted, history),
        )

    def _given(self, side: str, wanted: Wanted, history: RateHistory) -> dict[str, float]:
        like = next(c for c in self.curves[side] if same_size(c.given.get("N", 1.0), wanted.N))
        found = {name: value for name, value in like.given.items() if name not in _OWN}
        if wanted.r is not None:
            found |= {"r": wanted.r, "s": 1.0 - wanted.r if side == GENERAL else wanted.r}
        if history.switch:
            found[CPT_PEAK] = history.cpt_peak
        return found

    def _kind(self, wanted: Wanted, history: RateHistory) -> str:
        """What a run adds to those that are there, in words."""
        same_rates = same_share = both = False
        for curve in self.own:
            if not same_size(curve.given["N"], wanted.N):
                continue
            share = wanted.r is None or abs(curve.given.get("r", -1.0) - wanted.r) < 1e-9
            equal = len(curve.history) == len(history) and np.allclose(
                curve.history.rates, history.rates, rtol=1e-9, atol=0
            )
            same_rates, same_share = same_rates or equal, same_share or share
            both = both or (share and equal)
        if both:
            return "a repeat with another seed"
        if same_rates and same_share:
            return "another pair of mixture and schedule"
        if same_share:
            return "another schedule"
        return "another mixture" if same_rates else "another mixture and schedule"


def default_runs(shelf: Shelf, asked: Mapping[str, Schedule | RateHistory]) -> tuple[CurveRun, ...]:
    """Every size of the curves with every mixture, some between, and every schedule, the asked ones too."""
    schedules: dict[str, Schedule | RateHistory] = {**shelf.schedules(), **asked}
    shares: tuple[float | None, ...] = _with_unseen(shelf.shares) or (None,)
    return tuple(
        shelf.build(Wanted(N, r, name, cpt))
        for N in shelf.sizes
        for r in shares
        for name, cpt in schedules.items()
    )


def _with_unseen(shares: Sequence[float]) -> tuple[float, ...]:
    """The shares and the middles of their gaps, in steps of `ROUND`."""
    middle = [round(round((one + two) / 2 / ROUND) * ROUND, 10) for one, two in pairwise(shares)]
    return tuple(sorted({*shares, *middle}))


def _joined(base: RateHistory, cpt: Schedule | RateHistory) -> RateHistory:
    """A base's rates with others behind; a re-warm-up from what its schedule says."""
    rates = cpt.rates if isinstance(cpt, RateHistory) else cpt.rates()
    n = base.switch
    return RateHistory(
        np.concatenate([base.rates[:n], rates]), n, np.concatenate([base.rising[:n], cpt.rising])
    )
