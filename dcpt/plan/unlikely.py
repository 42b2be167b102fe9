"""Losses and limits that no model has: a forgotten per cent, a slipped point, a perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcpt.core.errors import ConfigError, DcptError
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import GENERAL
from dcpt.fit.law_fit import LawFit
from dcpt.fit.law_inputs import INCREDIBLE
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.base_loss import BaseLoss
from dcpt.plan.caveat import Caveat
from dcpt.plan.limit import EXAMPLES, Limit

if TYPE_CHECKING:
    from dcpt.plan.scene import Ceiling, Scene

UNLIKELY = 1.5
"""Factor beyond the fitted losses that a guess of what was meant may lie, and the most that a given loss of
the target's base may differ from what the fits say without a doubt: nats per token and bits per byte differ
by more (a factor of 2.5 to 3 at 3.5 to 4.5 bytes a token)."""

APART = 1.1
"""Factor from what the proxies' bases say of the target's base at which a given loss is a doubt, if they
said it without error. A tenth of the loss is what several times the parameters or the tokens give: a base
that much better was pre-trained otherwise than the proxies', or measured otherwise."""

SPREADS = 3.0
"""Standard deviations of an estimate from the bases that a given loss may differ by without a doubt."""

IDLE = 1.25
"""Factor above every predicted loss at which a limit was hardly meant: it limits nothing, by a margin."""

OUT_OF_LINE = 1.05
"""Factor above the best base of a smaller model from which a base was not pre-trained like the others."""

_SLIPS = (1e-1, 1e-2, 1e-3, 1e1, 1e2, 1e3)
"""Factors of a slipped point."""

_LEAST_SLIP = {"increase": 0.1, "relative": 1.0}
"""Least amount of a limit in which a per cent sign was forgotten, or a hundred written for one."""

_MOST_PERCENT = 50.0
"""Largest number that a person may have meant as a tolerance in per cent."""


def check_losses(
    fits: Mapping[str, LawFit], bases: Mapping[str, BaseLoss], ceilings: tuple[Ceiling, ...]
) -> None:
    """Refuse given losses and ceilings beyond anything like the fitted losses.

    Parameters
    ----------
    fits : mapping of str to LawFit
        The fits by label.
    bases : mapping of str to BaseLoss
        Losses of the target's base; those that the caller gave are judged.
    ceilings : tuple of Ceiling
        The limits.

    Raises
    ------
    ConfigError
        When one is more than `INCREDIBLE` times the highest fitted loss, or a given loss less than that
        part of the lowest; the hint says what was likely meant.
    """
    for label, base in bases.items():
        if base.source != "given":
            continue
        fit = fits[label]
        low, high = fitted_losses(fit)
        if not low / INCREDIBLE <= base.value <= high * INCREDIBLE:
            raise ConfigError(
                f"general_now: the loss of {fit.eval_set!r} before continual pre-training is given as "
                f"{base.value:g} {unit_of_amount(fit.unit)}; the fitted losses of that set are {low:.4g} to "
                f"{high:.4g}.",
                hint=_meant(base.value, low, high, fit.unit),
            )
    for item in ceilings:
        fit = fits[item.label]
        low, high = fitted_losses(fit)
        if item.value > high * INCREDIBLE:
            raise ConfigError(
                f"keep: '{item.limit}' allows a loss of {item.value:.4g} {unit_of_amount(fit.unit)}; the "
                f"fitted losses of {fit.eval_set!r} are {low:.4g} to {high:.4g}.",
                hint=_limit_meant(item.limit, low, high, fit.unit),
            )


def fitted_losses(fit: LawFit) -> tuple[float, float]:
    """Lowest and highest loss at the corners of the fitted ranges, and of the bases behind the fit."""
    N, D, r = (axis.ravel() for axis in np.meshgrid(*(fit.ranges[name] for name in ("N", "D", "r"))))
    losses = [*(fit.bases["L0"].losses if "L0" in fit.bases else ())]
    with suppress(DcptError):  # a law may start from bases that no one has measured
        losses += fit.mean(N, D, r).tolist()
    return (min(losses), max(losses)) if losses else (0.0, math.inf)


def unlikely_losses(scene: Scene, D: float) -> Iterator[Caveat]:
    """Doubts about given losses and limits that are possible and hardly meant.

    Parameters
    ----------
    scene : Scene
        The question at the answer's size.
    D : float
        Tokens of the answer.
    """
    ends = np.array(scene.searched)
    for label, base in scene.bases.items():
        if base.source == "measured":
            yield from _behind_smaller(scene, label, base.value)
        if base.source == "given":
            yield from _unlike_the_bases(scene, label, base.value)
    for item in scene.ceilings:
        fit = scene.surfaces[item.label].fit
        unit = unit_of_amount(fit.unit)
        highest = float(scene.surfaces[item.label].mean(scene.N, D, ends).max())
        if item.value > IDLE * highest:
            low, high = fitted_losses(fit)
            meant = _limit_meant(item.limit, min(low, highest), max(high, highest), fit.unit)
            yield Caveat(
                "idle_limit",
                "doubt",
                f"The limit '{item.limit}' allows {item.value:.4g} {unit}, and no searched "
                f"ratio brings the {item.label} loss above {highest:.4g}: it limits nothing; {meant}.",
            )


def _behind_smaller(scene: Scene, label: str, value: float) -> Iterator[Caveat]:
    """Doubt about a target whose base is worse than one of a smaller model: laws in N do not see that."""
    fit = scene.surfaces[label].unlimited.fit
    known = scene.measured.get(fit.eval_set) or fit.bases.get("L0")
    smaller = [
        (loss, size)
        for size, loss in (zip(known.sizes, known.losses, strict=True) if known is not None else ())
        if size < scene.N / 1.2
    ]
    if fit.role == GENERAL and smaller and value > OUT_OF_LINE * min(smaller)[0]:
        loss, size = min(smaller)
        yield Caveat(
            "base_out_of_line",
            "doubt",
            f"The target's base has a {label} loss of {value:.4g} {unit_of_amount(fit.unit)}, and that of a "
            f"smaller model ({format_quantity(size)}) {loss:.4g}: it was not pre-trained as far as the "
            "proxies' bases, and what they show of size does not carry over.",
        )


def _unlike_the_bases(scene: Scene, label: str, value: float) -> Iterator[Caveat]:
    """Doubt about a given loss that the bases behind the fits do not lead one to expect; it is used."""
    expected = _base_expected(scene, label)
    if expected is None or expected.low <= value <= expected.high:
        return
    fit = scene.surfaces[label].fit
    unit = unit_of_amount(fit.unit)
    size = format_quantity(scene.N)
    apart = abs(value / expected.value - 1)
    better = value < expected.value
    hint = "is it of the same evaluation set, tokenizer and unit?"
    if better:
        hint += (
            " A base that much better than the proxies' was pre-trained otherwise, and what they show of "
            "forgetting may not hold for it"
        )
    slip = _one_step(value, expected, fit.unit)
    yield Caveat(
        "base_unlikely",
        "doubt",
        f"The {label} loss before continual pre-training is given as {value:g} {unit}, and the fits say "
        f"about {expected.value:.4g} for a base of {size} ({expected.low:.4g} to {expected.high:.4g} would "
        f"be no surprise): {100 * apart:.0f} % {'less' if better else 'more'}; "
        f"{slip}{hint}{'.' if better else ''}",
    )


@dataclass(frozen=True)
class _Expected:
    """Loss of the target's base as the fits see it, and the range in which a given one is no surprise."""

    value: float
    low: float
    high: float

    @classmethod
    def about(cls, value: float, log_sd: float) -> _Expected:
        factor = min(UNLIKELY, math.exp(math.hypot(math.log(APART), SPREADS * log_sd)))
        return cls(value, value / factor, value * factor)


def _one_step(value: float, expected: _Expected, unit: str) -> str:
    """The change of unit that would explain a loss; empty where none does."""
    if unit == "nats_per_token" and expected.low <= value * math.log(2) <= expected.high:
        return f"in bits per token it would be {value * math.log(2):.4g} nats; "
    if unit == "nats_per_token" and value > 1 and expected.low <= math.log(value) <= expected.high:
        return f"as a perplexity it would be {math.log(value):.4g} nats; "
    return ""


def _base_expected(scene: Scene, label: str) -> _Expected | None:
    """What the fits say of the target's base: the bases' own estimate, else the law on its fewest tokens."""
    surface = scene.surfaces[label].unlimited
    fit = surface.fit
    known = scene.measured.get(fit.eval_set) or fit.bases.get("L0")
    if known is not None:
        with suppress(DcptError):
            losses, spread = known.at(scene.N)
            return _Expected.about(float(losses[0]), float(spread[0]))
    if {"L0", "G0"} & set(fit.law.inputs):
        return None
    # On few tokens and little of the other text a run is near its base; a domain's loss is far below it soon.
    share = scene.searched[0] if fit.role == GENERAL else scene.searched[1]
    value = float(surface.mean(scene.N, fit.ranges["D"][0], share)[0])
    near = _Expected.about(value, fit.residual_sigma)
    return near if fit.role == GENERAL else _Expected(value, near.low, value * UNLIKELY)


def _meant(value: float, low: float, high: float, unit: str) -> str:
    """What a loss beyond the fitted ones was likely to be."""
    low, high = low / UNLIKELY, high * UNLIKELY
    slipped = [value * slip for slip in _SLIPS if low <= value * slip <= high]
    guesses = [f"{guess:g}" for guess in slipped]
    if unit == "nats_per_token" and value > 1 and low <= math.log(value) <= high:
        guesses.append(f"{math.log(value):.4g}, the loss at a perplexity of {value:g},")
    if not guesses:
        return f"give it in {unit_of_amount(unit)}, measured on that set"
    return f"perhaps {' or '.join(guesses)} was meant"


def _limit_meant(limit: Limit, low: float, high: float, unit: str) -> str:
    """What a limit that limits nothing was likely to be."""
    if limit.kind == "ceiling":
        return _meant(limit.amount, low, high, unit)
    if limit.amount < _LEAST_SLIP[limit.kind]:
        return "see that the loss before continual pre-training is right"
    if limit.amount <= _MOST_PERCENT:
        return f"perhaps '{limit.eval_set} <= +{limit.amount:g}%' was meant"
    return EXAMPLES
