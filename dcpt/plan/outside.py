"""What of a run lies outside the ranges that its laws were fitted on, in a few characters."""

from __future__ import annotations

from collections.abc import Iterable

from dcpt.fit.law_fit import LawFit

NEAR = 1.005
"""Factor beyond a range that still counts as inside: sizes and tokens are spelled with three digits."""


def outside(fits: Iterable[LawFit], N: float, D: float, r: float | None = None) -> str:
    """Name what lies outside any fit's range, with the factor for sizes and tokens.

    Parameters
    ----------
    fits : iterable of LawFit
        The laws of one question.
    N, D : float
        Non-embedding parameters and training tokens of the run.
    r : float, optional
        Its domain share, where there is one.

    Returns
    -------
    str
        Such as ``"N 12x, r"``, or nothing.
    """
    ranges = [fit.ranges for fit in fits]
    found = []
    for name, value in (("N", N), ("D", D)):
        factor = max(max(value / item[name][1], item[name][0] / value) for item in ranges)
        if factor > NEAR:
            found.append(f"{name} {factor:.3g}x")
    low, high = max(item["r"][0] for item in ranges), min(item["r"][1] for item in ranges)
    if r is not None and not low - 1e-9 <= r <= high + 1e-9:
        found.append("r")
    return ", ".join(found)
