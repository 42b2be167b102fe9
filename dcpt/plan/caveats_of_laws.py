"""Reasons for doubt that show in the laws at the target: the wrong slope along the ratio, or hardly any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import DcptError
from dcpt.core.symbols import GENERAL
from dcpt.fit.law_fit import LawFit
from dcpt.fit.unit_words import unit_of_amount
from dcpt.plan.caveat import Caveat
from dcpt.plan.scene import Scene
from dcpt.plan.surface import Surface
from dcpt.plan.trade_off import ratio_grid

Array = NDArray[np.float64]

POINTS = 41
"""Ratios at which the slope is looked at."""

SOME, MOST = 0.1, 0.5
"""Shares of the searched range in which a loss may fail to fall with the share of its own side: beyond the
first that is a doubt, beyond the second the law runs the wrong way. Free forms turn near an end of the range
without harm to the rest."""

LEAST = 1e-4
"""Relative change of a loss along the ratios that no run can measure."""


def caveats_of_laws(scene: Scene, D: float) -> tuple[Caveat, ...]:
    """Doubts about the laws of a plan at its size and tokens, along the searched ratios.

    Parameters
    ----------
    scene : Scene
        The question at the answer's size.
    D : float
        Tokens of the answer.
    """
    return tuple(
        caveat
        for label, surface in scene.surfaces.items()
        for caveat in (*_wrong_way(scene, surface, D), *_flat(scene, label, surface, D))
    )


def _along(scene: Scene, surface: Surface, D: float) -> tuple[Array, Array]:
    """Ratios and the law's own losses there, as if every token were fresh."""
    grid = ratio_grid(*scene.searched, points=POINTS)
    return grid, surface.unlimited.mean(scene.N, D, grid)


def _wrong_way(scene: Scene, surface: Surface, D: float) -> Iterator[Caveat]:
    fit = surface.fit
    if _hardly_varies(scene, surface, D):
        return
    grid, losses = _along(scene, surface, D)
    share, net = _against(fit, losses)
    if share <= SOME and net < 0:
        return
    upside_down = share > MOST or net >= 0
    said = next(
        (doubt.message for doubt in fit.warnings if doubt.kind == "monotone" and "own side" in doubt.message),
        f"In {100 * share:.0f} % of the searched range the loss does not fall with share of its own side.",
    )
    unit = unit_of_amount(fit.unit)
    runs = (
        f"goes from {losses[0]:.4f} {unit} at r = {grid[0]:.3f} to {losses[-1]:.4f} at {grid[-1]:.3f}: "
        f"{said[0].lower()}{said[1:].rstrip('.')}"
    )
    if upside_down and _only_outside(scene, surface, D):
        yield Caveat(
            "wrong_way",
            "open",
            f"So far outside the fitted range the {fit.law.name} law of the {fit.eval_set} loss {runs}; "
            "inside that range it runs the right way: the extrapolation is to blame.",
        )
        return
    hint = "the two sides may be swapped; see that every evaluation set was fitted in its own role (--role)"
    if not upside_down:
        hint = "more runs at those ratios, or another law (--law), would tell"
    yield Caveat(
        "wrong_way",
        "open" if upside_down else "doubt",
        f"The {fit.law.name} law of the {fit.eval_set} loss, on the {fit.role} side, {runs}; {hint}.",
    )


def _against(fit: LawFit, losses: Array) -> tuple[float, float]:
    """Share of the ratios in which a loss does not fall with its own side's share, and its change in all."""
    # Along the share of its own side the loss should fall: with r for the domain, with 1 - r for the general.
    towards = -1.0 if fit.role == GENERAL else 1.0
    wrong = towards * np.diff(losses) >= 0
    return float(wrong.mean()), float(towards * (losses[-1] - losses[0]))


def _only_outside(scene: Scene, surface: Surface, D: float) -> bool:
    """Whether a plan lies outside the fitted sizes or tokens, at whose edge its law runs the right way."""
    spans = surface.fit.ranges
    N, tokens = float(np.clip(scene.N, *spans["N"])), float(np.clip(D, *spans["D"]))
    if (N, tokens) == (scene.N, D):
        return False
    grid = ratio_grid(*scene.searched, points=POINTS)
    own = surface.start if scene.N == N else {}
    try:
        losses = replace(surface.unlimited, start=own).mean(N, tokens, grid)
    except DcptError:  # the base of that size is not known
        return False
    share, net = _against(surface.fit, losses)
    return share <= MOST and net < 0


def _flat(scene: Scene, label: str, surface: Surface, D: float) -> Iterator[Caveat]:
    if not _hardly_varies(scene, surface, D):
        return
    fit = surface.fit
    _, losses = _along(scene, surface, D)
    change = float(np.ptp(losses))
    yield Caveat(
        "flat_loss",
        "doubt" if label in scene.sides.weights else "note",
        f"The {fit.eval_set} loss hardly depends on the ratio: it changes by {change:.2g} "
        f"{unit_of_amount(fit.unit)} over the searched range, and runs scatter by "
        f"{fit.residual_sigma * float(losses.mean()):.2g} about the law, however well that fits them.",
    )


def _hardly_varies(scene: Scene, surface: Surface, D: float) -> bool:
    _, losses = _along(scene, surface, D)
    return float(np.ptp(np.log(losses))) < max(surface.fit.residual_sigma, LEAST)
