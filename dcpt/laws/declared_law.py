"""What every kind of law declares, and what follows from that alone: names, bounds, title."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dcpt.core.files import content_hash
from dcpt.core.symbols import ROLES
from dcpt.laws.parameter import Parameter

Array = NDArray[np.float64]

HUBER_DELTA = 1e-3
"""Log residual from which the loss grows linearly, for published laws: Hoffmann et al. 2022
(arXiv:2203.15556), Sec. 3.3; Que et al. 2024 (arXiv:2406.01375), App. E.3."""

NOISE_DELTA = 1e-2
"""Huber threshold above the noise of small runs (0.2 to 0.5 %), where the fit is nearly least squares and
still bounds what an outlier can do. Against 1e-3, most laws predict larger models better with it
(experiments/domains_cpu)."""


class DeclaredLaw:
    """Base class of `Law` and `CurveLaw`: a subclass declares what stands below.

    Attributes
    ----------
    name : str
        What users type.
    formula : str
        The loss as text; empty in abstract steps between this class and the laws.
    reference : str
        Paper and equation.
    sides : tuple of str
        Which losses the law is for: ``general``, ``domain`` or both.
    delta : float
        Huber threshold of the log residual the law is fitted with unless another is asked for.
    parameters : tuple of Parameter
        In the order of declaration; filled in.
    """

    name: str = ""
    formula: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    sides: ClassVar[tuple[str, ...]] = ROLES
    delta: ClassVar[float] = HUBER_DELTA
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        declared = {
            name: value
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, Parameter)
        }
        cls.parameters = tuple(replace(value, name=name) for name, value in declared.items())

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names, in the order of every parameter vector."""
        return tuple(item.name for item in self.parameters)

    @cached_property
    def linear(self) -> tuple[Parameter, ...]:
        """Parameters the loss is linear in."""
        return tuple(item for item in self.parameters if item.kind == "linear")

    @cached_property
    def nonlinear(self) -> tuple[Parameter, ...]:
        """The others."""
        return tuple(item for item in self.parameters if item.kind == "nonlinear")

    @property
    def linear_names(self) -> tuple[str, ...]:
        """Names of the parameters the loss is linear in."""
        return tuple(item.name for item in self.linear)

    @property
    def nonlinear_names(self) -> tuple[str, ...]:
        """Names of the others."""
        return tuple(item.name for item in self.nonlinear)

    @cached_property
    def lower(self) -> Array:
        """Lower bounds, shape (p,)."""
        return np.array([item.lo for item in self.parameters])

    @cached_property
    def upper(self) -> Array:
        """Upper bounds, shape (p,)."""
        return np.array([item.hi for item in self.parameters])

    @property
    def title(self) -> str:
        """First line of the class's docstring."""
        return (type(self).__doc__ or self.name).strip().splitlines()[0]

    @property
    def hash(self) -> str:
        """Hash of `declared_facts`; stored with every fit."""
        return content_hash(self.declared_facts())

    def declared_facts(self) -> dict[str, Any]:
        """What a fit rests on: name, formula, and each parameter's name, kind and bounds."""
        rows = [[item.name, item.kind, item.lo, item.hi] for item in self.parameters]
        return {"name": self.name, "formula": self.formula, "parameters": rows}
