"""Branches and their trunks: runs that are one run up to the step at which their rates part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dcpt.core.curve import Curve


def stitch(
    curves: Sequence[Curve], lives: Mapping[str, tuple[object, ...]]
) -> tuple[list[Curve], tuple[str, ...]]:
    """Give every branch the losses of its trunk up to where it leaves it, and both one group.

    A branch is a run whose losses begin later than those of another run that is like it in everything but the
    schedule and has the same rates up to there: its trunk, of several the one with the most steps in common.

    Parameters
    ----------
    curves : sequence of Curve
        Every run with its own losses.
    lives : mapping
        Run to what it must have in common with another to be the same run: size, mixture, seed, base.

    Returns
    -------
    list of Curve
        Without trunks that stand in a branch from end to end.
    tuple of str
        Names of those.
    """
    made: list[Curve] = []
    trunk_of: dict[str, str] = {}
    for curve in curves:
        own = curve.steps[curve.steps != curve.history.switch]
        trunk, shared = None, 0
        for other in curves:
            theirs = other.steps[other.steps != other.history.switch]
            if other is curve or lives[other.name] != lives[curve.name] or not len(own) or not len(theirs):
                continue
            if not theirs[0] < own[0] or other.history.switch != curve.history.switch:
                continue
            common = _common(curve, other)
            # A branch is measured soon after it leaves: within the trunk's own distance of two losses.
            if common > shared and common >= theirs[0] and own[0] - common <= _spacing(other):
                trunk, shared = other, common
        if trunk is None:
            made.append(curve)
            continue
        before = (trunk.steps <= shared) & (trunk.steps < own[0])
        kept = ~np.isin(curve.steps, trunk.steps[before])
        steps = np.concatenate([trunk.steps[before], curve.steps[kept]])
        loss = np.concatenate([trunk.loss[before], curve.loss[kept]])
        order = np.argsort(steps, kind="stable")
        made.append(replace(curve, steps=steps[order], loss=loss[order]))
        trunk_of[curve.name] = trunk.name
    return _grouped(made, trunk_of)


def _spacing(curve: Curve) -> int:
    """Largest distance between losses that follow each other, the first counting from the start."""
    own = curve.steps[curve.steps > curve.history.switch]
    return int(np.diff(own, prepend=curve.history.switch).max())


def _common(one: Curve, other: Curve) -> int:
    """Steps from the start on with equal rates."""
    n = min(len(one.history), len(other.history))
    same = np.isclose(one.history.rates[:n], other.history.rates[:n], rtol=1e-9, atol=0)
    return n if same.all() else int(np.argmin(same))


def _points(curve: Curve) -> set[tuple[int, float]]:
    return set(zip(curve.steps.tolist(), curve.loss.tolist(), strict=True))


def _grouped(curves: list[Curve], trunk_of: Mapping[str, str]) -> tuple[list[Curve], tuple[str, ...]]:
    groups = {curve.name: curve.group for curve in curves}
    contained = []
    for name in dict.fromkeys(trunk_of.values()):
        own = _points(next(curve for curve in curves if curve.name == name))
        if any(own <= _points(curve) for curve in curves if trunk_of.get(curve.name) == name):
            contained.append(name)
    made = [
        replace(curve, group=groups[trunk_of[curve.name]]) if curve.name in trunk_of else curve
        for curve in curves
        if curve.name not in contained
    ]
    return made, tuple(contained)
