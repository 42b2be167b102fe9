"""Any law, made to see repetition: its D becomes the effective tokens D' of D and U."""

from __future__ import annotations

import ast
from collections.abc import Collection

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.laws.data_constrained import R_D
from dcpt.laws.family import LawFamily
from dcpt.laws.law import Law, nonlinear
from dcpt.laws.registry import get_law

_SEEN = "min(D, U)"
_EFFECTIVE = "({seen} + {seen}*{decay}*(1 - exp(-(D/{seen} - 1)/{decay})))"


def with_repetition(law: Law, decay: float | None = None) -> Law:
    """The law with D replaced by the unique tokens that D tokens, U of them unique, are worth.

    Parameters
    ----------
    law : Law
        A law that sees D and not U.
    decay : float, optional
        R_D*, in epochs, held at this value; `PUBLISHED` is what was fitted to pre-training runs. By
        default it is a parameter R_D of the law. It takes runs of several epochs to fit it.

    Returns
    -------
    Law
        Named ``LAW+repetition`` or ``LAW+repetition=DECAY``; `get_law` knows it by that name.

    Raises
    ------
    ConfigError
        When the law does not see D, sees U or has a parameter R_D already, or the decay is not positive.

    Examples
    --------
    >>> with_repetition(get_law("d-cpt")).inputs
    ('N', 'D', 's', 'U')

    References
    ----------
    Muennighoff et al. 2023, arXiv:2305.16264, effective data D'.
    """
    if "D" not in law.inputs or "U" in law.inputs or "R_D" in law.names:
        raise ConfigError(
            f"law {law.name} cannot be made to see repetition: its inputs are {', '.join(law.inputs)}; "
            "wanted D, and neither U nor a parameter R_D.",
        )
    if decay is not None and not (decay > 0 and np.isfinite(decay)):
        raise ConfigError(f"repetition: decay = {decay:g}; wanted a positive number of epochs.")
    worth = "R_D" if decay is None else repr(float(decay))
    effective = ast.parse(_EFFECTIVE.format(seen=_SEEN, decay=worth), mode="eval").body
    suffix = "" if decay is None else f"={float(decay)!r}"
    body = {
        "__doc__": f"{law.title.rstrip('.')}; repeated tokens count for less.",
        "__module__": type(law).__module__,
        "name": f"{law.name}+repetition{suffix}",
        "formula": ast.unparse(_Replace(effective).visit(ast.parse(law.formula, mode="eval"))),
        "reference": f"{law.reference}; D' of Muennighoff et al. 2023, arXiv:2305.16264",
    }
    if decay is None:
        # Bounds as in `data-constrained`.
        body["R_D"] = nonlinear(0.1, 1e3, "decay of repeated tokens", "epochs")  # type: ignore[assignment]
    made: Law = type(f"{type(law).__name__}Repetition", (type(law),), body)()
    return made


class _Replace(ast.NodeTransformer):
    """Put an expression where the input D stands."""

    def __init__(self, effective: ast.expr) -> None:
        self.effective = effective

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace D and keep other names."""
        return self.effective if node.id == "D" else node


PUBLISHED = R_D
"""Decay fitted by Muennighoff et al. 2023, in epochs."""


def _named(base: str, decay: str | None) -> Law:
    try:
        value = None if decay is None else float(decay)
    except ValueError:
        raise ConfigError(
            f"law '{base}+repetition={decay}': {decay!r} is not a number of epochs.",
            hint=f"the published one: {base}+repetition={PUBLISHED}",
        ) from None
    return with_repetition(get_law(base), value)


_OFFERED = ("d-cpt+repetition", "chinchilla+repetition")
"""The law of the mixture and the one blind to it: R_D is free, so a trial of each law would cost twice."""


def _for_unique_tokens(columns: Collection[str]) -> tuple[str, ...]:
    return _OFFERED if "U" in columns else ()


REPETITION = LawFamily(
    "LAW+repetition[=DECAY]", r"(.+)\+repetition(?:=(.*))?", _named, ("U",), _for_unique_tokens
)
