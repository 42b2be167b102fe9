"""Which laws of curves there are: those of this folder, and those of outside packages."""

from __future__ import annotations

from typing import get_args

from dcpt.core.annealing import Policy
from dcpt.laws.curves.curve_law import CurveLaw
from dcpt.laws.family import LawFamily
from dcpt.laws.registry import Registry


class _CurveRegistry(Registry[CurveLaw]):
    """The laws of curves, each of which also goes by its name with a way to count the warm-up."""

    def _build(self, name: str) -> CurveLaw | None:
        base, mark, policy = name.rpartition("+")
        if mark and policy in get_args(Policy):
            law = self.laws.get(base) or self.make(base)
            return None if law is None else law.with_warmup(policy)  # type: ignore[arg-type]
        return super()._build(name)


CURVE_LAWS = _CurveRegistry(CurveLaw, "dcpt.laws.curves", "curve law")
"""The laws of loss curves."""


def list_curve_laws() -> tuple[CurveLaw, ...]:
    """Every law of curves with a name of its own, by name."""
    return tuple(CURVE_LAWS.laws.values())


def list_curve_families() -> tuple[LawFamily, ...]:
    """The patterns of names beyond `list_curve_laws`."""
    return CURVE_LAWS.families


def get_curve_law(law: str | CurveLaw) -> CurveLaw:
    """Look a law of curves up by its name; a law is passed through.

    Parameters
    ----------
    law : str or CurveLaw
        A name of `list_curve_laws` or of a family; ``+skip``, ``+signed`` or ``+peak`` at its end says
        how the warm-up counts, where the law's own way does not suit.

    Raises
    ------
    ConfigError
        When there is no such law; the hint says which name is meant.

    Examples
    --------
    >>> get_curve_law("momentum").names
    ('L0', 'A', 'alpha', 'C', 'tau')
    """
    return CURVE_LAWS.get(law)
