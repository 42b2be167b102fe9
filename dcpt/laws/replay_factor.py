"""How the effect of continual pre-training depends on replay: the factors of the field, to choose from."""

from __future__ import annotations

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL

# power: no shift at pure replay, without limit as replay goes to 0; log: what the power tends to for a small
# exponent, finite without replay. growing and saturating: arXiv:2505.07796, Eq. 8, of the domain share. The
# paper prints growing for the new domain's loss; with the coefficients printed beside it (a = 5.696) that is
# hundreds of nats at share 1, a sign error for saturating.
_FORMULAS: dict[tuple[str, str], str] = {
    ("power", GENERAL): "s**-k - 1",
    ("log", GENERAL): "log(1/(s + eps))",
    ("growing", GENERAL): "exp(a*(1 - s)) - 1",
    ("saturating", GENERAL): "1 - exp(-a*(1 - s))",
    ("growing", DOMAIN): "exp(a*s) - 1",
    ("saturating", DOMAIN): "1 - exp(-a*s)",
}


def factor_formula(factor: str, side: str) -> str:
    """The factor as text for a law's formula, in s, the share of the side the loss is measured on.

    Parameters
    ----------
    factor : {"power", "log", "growing", "saturating"}
        Its parameter is called k, eps, a and a.
    side : {"general", "domain"}
        Whose loss the law describes.

    Raises
    ------
    ConfigError
        When there is no such factor for that side.
    """
    found = _FORMULAS.get((factor, side))
    if found is None:
        known = ", ".join(name for name, of in _FORMULAS if of == side)
        raise ConfigError(f"replay factor {factor!r} of side {side!r} is unknown; wanted one of {known}.")
    return found
