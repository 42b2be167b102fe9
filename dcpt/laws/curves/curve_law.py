"""A law of loss curves, declared once: what the fitter, plots and docs need follows from the class."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcpt.core.annealing import Policy, Rewarm
from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.differences import DIFFERENCE, central_differences
from dcpt.laws.curves.features import Features
from dcpt.laws.declared_law import Array, DeclaredLaw

__all__ = ["DIFFERENCE", "NOTHING", "CurveLaw", "Features", "Values"]

Integers = NDArray[np.int64]
Values = Mapping[str, float]

NOTHING: Values = MappingProxyType({})


class CurveLaw(DeclaredLaw):
    """Base class of the laws of curves: a subclass declares what stands below.

    The loss is an offset plus a sum of columns, each times a linear parameter; columns are sums over the
    history of rates and depend on the nonlinear parameters.

    Attributes
    ----------
    name, formula, reference : str
        What users type; the law as text for documents; paper and equation.
    sides : tuple of str
        Which losses the law is for.
    needs : tuple of str
        Keys of `Curve.given` it reads.
    warmup, rewarm : str
        How the warm-up in front and later ones enter; see `dcpt.core.annealing.rate_drops`.
    two_phase : bool
        Whether the law needs to know where continual pre-training began.
    gains_at_zero : bool
        Whether steps at a rate of 0 lower the predicted loss: a fault of laws whose clock is steps.
    log_limit : str
        Nonlinear parameter at whose 0 a power turns into a logarithm and only its product with the size is
        known; empty when there is none.
    prior : mapping
        Nonlinear parameter to (centre, width) of what it is expected to be. It decides only where the data do
        not: its weight is that of the residuals' own scatter and vanishes on exact losses.
    delta : float
        Huber threshold of the log residual; 1e-3 as Luo et al. 2025 (arXiv:2503.12811) and others take.
    starts : tuple of mapping
        Nonlinear parameters a fit begins with, one mapping per start.
    parameters : tuple of Parameter
        In the order of declaration; filled in.

    Raises
    ------
    ConfigError
        When the class is defined and has no linear parameter.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    warmup: Policy = "skip"
    rewarm: Rewarm = "signed"
    two_phase: ClassVar[bool] = False
    gains_at_zero: ClassVar[bool] = False
    log_limit: ClassVar[str] = ""
    prior: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({})
    starts: tuple[Values, ...] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.formula and not any(item.kind == "linear" for item in cls.parameters):
            raise ConfigError(f"law {cls.name or cls.__name__}: has no linear parameter.")

    # -- what a law implements -----------------------------------------------------------------------

    def observe(self, history: RateHistory, steps: Integers, given: Values) -> Any:
        """What the law keeps of one curve observed at `steps`; anything `columns` can use."""
        raise NotImplementedError

    def columns(self, part: Any, psi: Values) -> tuple[Array | None, Array]:
        """Offset, shape (n,) or None, and the columns of the linear parameters, shape (n, k)."""
        raise NotImplementedError

    def slopes(self, part: Any, psi: Values) -> tuple[Array | None, Array]:
        """Derivatives by the nonlinear parameters: of offset, (q, n) or None, and columns, (q, n, k).

        Central differences; laws override this with closed forms.
        """
        return central_differences(self, part, psi)

    def derived(self, params: Values) -> dict[str, float]:
        """Quantities that papers print and this law does not have as parameters; none by default."""
        return {}

    # -- what follows from the declaration -----------------------------------------------------------

    def declared_facts(self) -> dict[str, Any]:
        """What a fit rests on: the ways of the warm-up, what is read of a curve and the prior included."""
        facts = super().declared_facts()
        facts |= {"warmup": [self.warmup, self.rewarm], "needs": list(self.needs)}
        if self.prior:
            facts["prior"] = {name: list(pair) for name, pair in self.prior.items()}
        return facts

    def with_warmup(self, policy: Policy) -> CurveLaw:
        """The same law with the warm-up in front counted otherwise; its name says so."""
        if policy == self.warmup:
            return self
        other = copy.copy(self)
        other.warmup = policy
        other.name = f"{self.name.removesuffix(f'+{self.warmup}')}+{policy}"
        return other

    # -- numbers --------------------------------------------------------------------------------------

    def prepare(self, curves: Sequence[Curve]) -> Features:
        """Keep what the law needs of these curves.

        Raises
        ------
        ConfigError
            When a curve lacks something the law reads.
        """
        parts = [
            self.part(curve.history, curve.steps, curve.given, curve.name, curve.side) for curve in curves
        ]
        rows = np.repeat(np.arange(len(curves)), [len(curve) for curve in curves])
        return Features(tuple(parts), rows)

    def part(
        self,
        history: RateHistory,
        steps: Integers,
        given: Values = NOTHING,
        name: str = "",
        side: str = GENERAL,
    ) -> Any:
        """`observe` one curve, after a check that all is there; laws with a side override this."""
        where = f"law {self.name}: curve {name}" if name else f"law {self.name}: this curve"
        missing = [key for key in self.needs if key not in given]
        if missing:
            got = ", ".join(given) or "nothing"
            raise ConfigError(
                f"{where} does not say its {missing[0]}; got {got} beside the rates.",
                hint=f"the law reads {', '.join(self.needs)} beside the rates",
            )
        if self.two_phase and not history.switch:
            raise ConfigError(
                f"{where} has no pre-training part (switch is 0); this law needs to know where continual "
                "pre-training began.",
                hint="join the rates of pre-training in front, or take a law of one phase",
            )
        return self.observe(history, steps, given)

    def basis(self, features: Features, psi: Values) -> tuple[Array | None, Array]:
        """Offset and columns of all rows: shapes (n,), or None, and (n, k)."""
        pairs = [self.columns(part, psi) for part in features.parts]
        columns = np.concatenate([table for _, table in pairs])
        if all(offset is None for offset, _ in pairs):
            return None, columns
        zeros = [np.zeros(len(table)) if offset is None else offset for offset, table in pairs]
        return np.concatenate(zeros), columns

    def basis_slopes(self, features: Features, psi: Values) -> tuple[Array | None, Array]:
        """Derivatives of `basis` by the nonlinear parameters: shapes (q, n), or None, and (q, n, k)."""
        pairs = [self.slopes(part, psi) for part in features.parts]
        tables = np.concatenate([table for _, table in pairs], axis=1)
        if all(offset is None for offset, _ in pairs):
            return None, tables
        zeros = [np.zeros(table.shape[:2]) if offset is None else offset for offset, table in pairs]
        return np.concatenate(zeros, axis=1), tables

    def evaluate(self, params: ArrayLike | Values, features: Features | Sequence[Curve]) -> Array:
        """Loss at every row, shape (n,).

        Parameters
        ----------
        params : mapping or array_like, shape (p,)
            Parameters by name or in the order of `names`.
        features : Features or sequence of Curve
            Curves, or what `prepare` made of them.
        """
        values = self.values(params)
        rows = features if isinstance(features, Features) else self.prepare(features)
        offset, columns = self.basis(rows, self._nonlinear_of(values))
        loss = columns @ np.array([values[name] for name in self.linear_names])
        return np.asarray(loss if offset is None else loss + offset)

    def jacobian(self, params: ArrayLike | Values, features: Features | Sequence[Curve]) -> Array:
        """Derivatives of the loss by all parameters, shape (n, p)."""
        values = self.values(params)
        rows = features if isinstance(features, Features) else self.prepare(features)
        psi = self._nonlinear_of(values)
        columns = self.basis(rows, psi)[1]
        offsets, slopes = self.basis_slopes(rows, psi)
        moved = slopes @ np.array([values[name] for name in self.linear_names])
        if offsets is not None:
            moved = moved + offsets
        found = dict(zip(self.linear_names, columns.T, strict=True))
        found |= dict(zip(self.nonlinear_names, moved, strict=True))
        return np.stack([found[name] for name in self.names], axis=1)

    def values(self, params: ArrayLike | Values) -> dict[str, float]:
        """Parameters by name, from a mapping or a vector.

        Raises
        ------
        ConfigError
            When one is missing or unknown.
        """
        if isinstance(params, Mapping):
            wrong = sorted(set(self.names) ^ set(params))
            if wrong:
                raise ConfigError(
                    f"law {self.name}: parameter {wrong[0]!r} is "
                    f"{'missing' if wrong[0] in self.names else 'unknown'}; wanted {', '.join(self.names)}."
                )
            return {name: float(params[name]) for name in self.names}
        table = np.asarray(params, dtype=np.float64)
        if table.shape != (len(self.names),):
            raise ConfigError(
                f"law {self.name}: got parameters of shape {table.shape}; wanted {len(self.names)}: "
                f"{', '.join(self.names)}."
            )
        return dict(zip(self.names, table.tolist(), strict=True))

    def _nonlinear_of(self, values: Values) -> dict[str, float]:
        return {name: values[name] for name in self.nonlinear_names}

    def __repr__(self) -> str:
        return f"<curve law {self.name}: L = {self.formula}>"
