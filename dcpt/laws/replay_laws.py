"""Loss against replay alone, at one size and number of tokens: the factors, as laws."""

from __future__ import annotations

from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.laws.law import Law, linear, nonlinear
from dcpt.laws.replay_factor import factor_formula

_EXPONENTIALS = "Wang et al. 2025, arXiv:2505.07796, Eq. 8"
_OURS = "this package; compared on the tables of Ibrahim et al. 2024, arXiv:2403.08763"


class ReplayPower(Law):
    """General loss as a shifted power of the replay share: the first hundredths do most."""

    name = "replay-power"
    formula = "E + C*(s + eps)**-gamma"
    reference = f"mixture term of Que et al. 2024, arXiv:2406.01375, Eq. 6; {_OURS}"

    # A small gamma with a large C is the logarithm, and E is negative then. Published losses without replay
    # want an eps of 5e-6; gamma to 3 as in `d-cpt`.
    E = linear(-1e3, 20.0, "loss the power is added to")
    C = linear(0.0, 1e3, "mixture loss at s + eps = 1")
    eps = nonlinear(1e-6, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent")


class ReplayLog(Law):
    """General loss as a shifted logarithm of the replay share."""

    name = "replay-log"
    formula = f"E + C*({factor_formula('log', GENERAL)})"
    reference = _OURS

    E = linear(0.0, 20.0, "loss at s + eps = 1")
    C = linear(0.0, 1e3, "fall of the loss per factor of e in share")
    eps = nonlinear(1e-6, 1.0, "offset of the share")


class ReplayShift(Law):
    """General loss as a shift from the loss before training, zero at pure replay.

    For runs with some replay: it has no limit at s = 0.
    """

    name = "replay-shift"
    formula = f"L0 + S*({factor_formula('power', GENERAL)})"
    reference = _OURS
    sides = (GENERAL,)
    domain = {"s": (1e-3, 1.0)}  # noqa: RUF012

    S = linear(0.0, 1e3, "size of the shift")
    k = nonlinear(1e-3, 3.0, "share exponent")


class ReplaySaturating(Law):
    """General loss as a shift that saturates with the domain share.

    The factor as published for the old loss. It is nearly flat at small replay, where measured losses are
    steepest.
    """

    name = "replay-saturating"
    formula = f"L0 + B*({factor_formula('saturating', GENERAL)})"
    reference = f"{_EXPONENTIALS}, old-domain loss"
    sides = (GENERAL,)

    # a = 3.24 and 5.70 are printed; at 50 a share of 0.1 already saturates.
    B = linear(0.0, 1e3, "size of the shift at s = 0, saturated")
    a = nonlinear(1e-3, 50.0, "rate")


class ReplayGrowing(Law):
    """General loss as a shift that grows exponentially with the domain share, B at s = 0."""

    name = "replay-growing"
    formula = f"L0 + B*({factor_formula('growing', GENERAL)})/(exp(a) - 1)"
    reference = f"{_EXPONENTIALS}, the factor printed for the new domain, on the old-domain loss"
    sides = (GENERAL,)

    # At a = 100 a hundredth of replay already takes two thirds of the shift away.
    B = linear(0.0, 1e3, "shift without replay")
    a = nonlinear(1e-3, 100.0, "rate")


class ReplayDomain(Law):
    """Domain loss as a fall that saturates with the domain share.

    Eq. 8 prints exp(a s) - 1 here; with the coefficients printed beside it that is hundreds of nats, and
    the saturating factor is meant.
    """

    name = "replay-domain"
    formula = f"L0 - B*({factor_formula('saturating', DOMAIN)})"
    reference = f"{_EXPONENTIALS}, new-domain loss, sign mended"
    sides = (DOMAIN,)

    B = linear(0.0, 1e3, "fall of the loss, saturated")
    a = nonlinear(1e-3, 50.0, "rate")
