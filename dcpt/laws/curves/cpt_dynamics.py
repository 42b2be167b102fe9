"""The laws of continual pre-training dynamics: one curve, from the base's last steps to the end of CPT."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL, ROLES
from dcpt.laws.curves import dynamics_terms as terms
from dcpt.laws.curves.curve_law import NOTHING, CurveLaw, Features
from dcpt.laws.curves.dynamics_terms import Rows
from dcpt.laws.curves.fall_kernel import KERNELS, FallKernel, fall_kernel
from dcpt.laws.curves.falls_terms import continual_falls, pretraining_falls
from dcpt.laws.curves.joined_phases import JoinedPhases
from dcpt.laws.curves.replay_shift import DEFAULT, FACTORS, ReplayFactor, replay_factor
from dcpt.laws.curves.two_phases import TwoPhases
from dcpt.laws.family import LawFamily
from dcpt.laws.parameter import Parameter

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Values = Mapping[str, float]

# Printed speeds of the shift lie between 3 and 5662 per rate x steps.
_SHIFT_STARTS = tuple({"E": E, "beta": beta} for E in (20.0, 400.0, 8000.0) for beta in (0.15, 0.7))


def _declared(parts: Sequence[terms.Term]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for term in parts:
        found[term.name] = term.parameter
        found |= dict(term.shapes)
    return found


class DynamicsLaw(CurveLaw):
    """Loss of one evaluation set along pre-training and continual pre-training.

    `dynamics_law` puts such laws together from terms. Falls of the rate before the switch go on gaining after
    it, with the coefficient of pre-training; the change of rate at the switch and the re-warm-up belong to
    continual pre-training. With C1 = C2 and no shift it is the momentum law of the joined history.
    """

    two_phase = True
    log_limit = "beta"
    terms: ClassVar[tuple[terms.Term, ...]] = ()
    kernel: ClassVar[FallKernel] = KERNELS["momentum"]
    factor: ClassVar[ReplayFactor | None] = None

    def part(
        self,
        history: RateHistory,
        steps: Integers,
        given: Values = NOTHING,
        name: str = "",
        side: str = GENERAL,
    ) -> TwoPhases:
        """What the law keeps of one curve, after a check that all is there."""
        super().part(history, steps, given, name, side)
        if side not in self.sides:
            where = f"curve {name}" if name else "this curve"
            raise ConfigError(
                f"law {self.name}: {where} is of the {side} side; wanted {' or '.join(self.sides)}.",
                hint="+replay takes a factor that suits the side" if self.factor else None,
            )
        return TwoPhases.of(
            history, steps, given, side, self.kernel, self.warmup, self.rewarm, known=self.two_phase
        )

    def observe(self, history: RateHistory, steps: Integers, given: Values) -> Any:
        """Nothing yet: `part` keeps the side as well."""
        return None

    def prepare(self, curves: Sequence[Curve]) -> Features:
        """Keep what the law needs of these curves, as one part where they are of one side."""
        found = super().prepare(curves)
        if len({part.side for part in found.parts}) != 1:
            return found
        return Features((JoinedPhases.of(found.parts),), found.curve)

    def columns(self, part: Rows, psi: Values) -> tuple[None, Array]:
        """One column per term, shape (n, k)."""
        return None, np.stack([term.column(part, psi) for term in self.terms], axis=1)

    def slopes(self, part: Rows, psi: Values) -> tuple[None, Array]:
        """Derivatives of those columns that a parameter moves, shape (q, n, k)."""
        out = np.zeros((len(self.nonlinear), len(part.S), len(self.terms)))
        places = {name: row for row, name in enumerate(self.nonlinear_names)}
        for column, term in enumerate(self.terms):
            for name, slope in term.slopes(part, psi).items():
                out[places[name], :, column] = slope
        return None, out

    @property
    def knows_mixture(self) -> bool:
        """Whether the shift depends on the mixture."""
        return self.factor is not None or "m" in self.names

    def derived(self, params: Values) -> dict[str, float]:
        """B = K/beta, where beta is not 0: with a small beta the data know the product alone."""
        return {"B": params["K"] / params["beta"]} if params["beta"] > 0 else {}


OPTIONS = (
    "size",
    *(f"replay{'' if name == DEFAULT else '-' + name}" for name in FACTORS),
    "share-clock",
    "share-annealing",
    *(name for name in KERNELS if name != "momentum"),
)
"""What can follow ``cpt-dynamics`` or ``cpt-dynamics-unknown-base``, each after a plus."""


DEFAULT_LAWS: Mapping[str, str] = MappingProxyType(
    {GENERAL: "cpt-dynamics+replay", DOMAIN: "cpt-dynamics+share-clock"}
)
"""Side to the law for curves of several mixtures; `rate-power` suits both as the annealing kernel.

With every share of experiments/cpt_dynamics_cpu left out in turn (shifts.py there, kernel rate-power) the
domain loss was missed by 0.48 % with the clock of the share, by 0.28 (0.03 to 0.58) more with the shifted
power, which is as good between fitted shares, and by 1.14 (0.58 to 1.72) more with the exponential. On
experiments/domains_cpu (size w56; r = 0.25, 0.5 and 0.9 left out in turn) the clock missed the domain loss
of chemistry by 0.021 nats and the exponential by 0.110, on math by 0.016 and 0.076. Of the general loss the
clock knows nothing: its exponent runs to its bound, which the fit says."""


@cache
def dynamics_law(unknown_base: bool = False, options: frozenset[str] = frozenset()) -> DynamicsLaw:
    """The law of continual pre-training dynamics with some options.

    Parameters
    ----------
    unknown_base : bool
        Pre-training is not known: its forward area is fitted, its annealing dropped, and the base is taken to
        have ended at a rate of 0.
    options : frozenset of str
        Some of `OPTIONS`: ``size`` adds the terms in N; ``replay`` and ``replay-FACTOR`` scale the shift with
        the share; ``share-clock`` lets the shift's clock run with a power of the domain share, so that it
        counts the learning on domain tokens; ``share-annealing`` scales the gain of annealing with it;
        ``memory`` and the other names are annealing kernels in the place of momentum with a memory of 0.999.

    Raises
    ------
    ConfigError
        When an option is unknown or two exclude each other.
    """
    unknown = sorted(options - set(OPTIONS))
    if unknown:
        raise ConfigError(f"law cpt-dynamics: option {unknown[0]!r} is unknown; wanted {', '.join(OPTIONS)}.")
    factors = [item for item in options if item.startswith("replay")]
    kernels = [item for item in options if item in KERNELS]
    for several in (factors, kernels):
        if len(several) > 1:
            both = " and ".join(sorted(several))
            raise ConfigError(f"law cpt-dynamics: options {both} exclude each other.")
    size, share, clock = (item in options for item in ("size", "share-annealing", "share-clock"))
    kernel = fall_kernel(kernels[0] if kernels else "momentum")
    factor = replay_factor(factors[0][len("replay-") :] or DEFAULT) if factors else None
    parts = [terms.irreducible(), terms.power_of_area(unknown_base)]
    parts += [] if unknown_base else [pretraining_falls(kernel, size)]
    parts += [continual_falls(kernel, size, share), terms.distribution_shift(factor, clock)]
    parts += [terms.size_of_model()] if size else []
    stem = "cpt-dynamics-unknown-base" if unknown_base else "cpt-dynamics"
    body: dict[str, Any] = {
        "__doc__": DynamicsLaw.__doc__,
        "__module__": __name__,
        "name": "+".join((stem, *(item for item in OPTIONS if item in options))),
        "formula": "".join(term.formula for term in parts) + _legend(factor, kernel, size, clock),
        "reference": _reference(unknown_base, size, bool(factor or share or clock)),
        "two_phase": not unknown_base,
        "gains_at_zero": not kernel.stops,
        "prior": kernel.prior,
        "terms": tuple(parts),
        "kernel": kernel,
        "factor": factor,
        "sides": factor.sides if factor else ROLES,
        "needs": (*(("N",) if size else ()), *(("s",) if factor or share or clock else ())),
        "starts": _starts(unknown_base, kernel, factor, size, share, clock),
        **_declared(parts),
    }
    made = type("DynamicsLaw", (DynamicsLaw,), body)()
    assert isinstance(made, DynamicsLaw)
    return made


def _reference(unknown_base: bool, size: bool, replay: bool) -> str:
    found = ["Eq. 4", *(["Eq. 7"] if size else []), *(["Eq. 8"] if replay else [])]
    found += ["the form for bases of unknown pre-training"] if unknown_base else []
    return f"Wang et al. 2025, arXiv:2505.07796, {', '.join(found)}"


def _legend(factor: ReplayFactor | None, kernel: FallKernel, size: bool, clock: bool) -> str:
    """What the symbols beyond the legend mean."""
    said = [f"S2: falls of the rate times {kernel.formula}"] if kernel.name != "momentum" else []
    if factor is not None:
        said += [f"f = {text} ({side} loss)" for side, text in factor.formulas.items()]
    said += ["M = N/1e6"] if size else []
    said += ["x = S1cpt*(domain share)**m"] if clock else []
    return f"; {'; '.join(said)}" if said else ""


def _starts(
    unknown_base: bool, kernel: FallKernel, factor: ReplayFactor | None, size: bool, share: bool, clock: bool
) -> tuple[dict[str, float], ...]:
    """Starts of the fit: those of the shift, with those of the other parts in turn."""
    fixed = {"alpha": 0.5}
    fixed |= {"S0": 1.0} if unknown_base else {}
    fixed |= {"g2": 0.1, "g3": 0.2} if size else {}
    fixed |= {"g1": 0.1} if size and not unknown_base else {}
    fixed |= {"a1": 0.0} if share else {}
    fixed |= {"m": 1.0} if clock else {}
    rows = factor.shapes.items() if factor else ()
    shapes = [{name: values[2 + turn] for name, values in rows} for turn in (0, 1)]
    return tuple(
        {**fixed, **shift, **memory, **shape}
        for shift, memory, shape in zip(
            _SHIFT_STARTS, itertools.cycle(kernel.starts), itertools.cycle(shapes), strict=False
        )
    )


def _of_name(unknown_base: str | None, options: str) -> DynamicsLaw:
    named = [item for item in options.split("+") if item]
    return dynamics_law(unknown_base is not None, frozenset(named))


CptDynamics = type(dynamics_law())
CptDynamicsUnknownBase = type(dynamics_law(unknown_base=True))

DYNAMICS = LawFamily(
    "cpt-dynamics[-unknown-base][+size][+replay[-FACTOR]][+share-annealing][+KERNEL]",
    r"cpt-dynamics(-unknown-base)?((?:\+[a-z-]+)*)",
    _of_name,
    kind=CurveLaw,
)
