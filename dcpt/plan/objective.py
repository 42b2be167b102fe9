"""What "best" means: what to minimise, what to keep, for which run, and what there is to spend."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity, parse_quantity, parse_share
from dcpt.core.settings import validate
from dcpt.core.symbols import DOMAIN
from dcpt.plan import limit, weights
from dcpt.plan.asked import Asked
from dcpt.plan.limit import Limit
from dcpt.plan.objective_check import contradiction
from dcpt.plan.resources import Budget, Epochs, Pools

SCHEMA_VERSION = 2

_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_QUANTITIES = {
    "anyOf": [
        {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}},
        {"type": "null"},
    ]
}
"""What may be written where it is read from text; see `dcpt schema`."""

_NEEDED: dict[str, Any] = {
    "allOf": [
        {"anyOf": [{"required": [name]} for name in names]}
        for names in (("N", "budget"), ("D", "budget", "pools"), ("keep", "minimise", "budget", "pools"))
    ]
}
"""Fields of which a file must have one, as far as a JSON schema can say it; see `contradiction`."""

Written = TypeVar("Written")
Value = TypeVar("Value")


class Objective(Asked):
    """The question a plan answers.

    Attributes
    ----------
    schema_version : {2}
        Version of the file format; files of version 1 are read.
    N : float, optional
        Non-embedding parameters of the model to train; ``"7B"`` is read. Left out, the size is chosen
        within the budget.
    D : float, optional
        Training tokens of the run; ``"20B"`` is read. Left out, they are chosen within the budget or the
        domain pool.
    minimise : mapping of str to float
        Weight of each loss, by side or evaluation set; read from ``domain`` or
        ``0.7*domain + 0.3*general``.
    keep : tuple of Limit
        Limits on losses of the general side; read from one text or several.
    pools, epochs : Pools, Epochs, optional
        Unique tokens of each side, and the most passes over them.
    budget : Budget, optional
        Compute to spend.
    D_max : float, optional
        Most tokens, where D is chosen.
    sizes : tuple of float, optional
        The sizes there are, where N is chosen.
    N_min, N_max : float, optional
        Range of sizes otherwise; by default the fitted one.
    r_min, r_max : float, optional
        Range of domain shares to search, within (0, 1); by default the range the laws were fitted on.
    r_now : float, optional
        Domain share of the mix in use, which the answer is compared with.
    level : float
        Probability of every interval in the plan.
    general_now : float or mapping of str to float, optional
        Measured loss of the base to train before continual pre-training, in the unit of the fits: on
        the general side, or by evaluation set.
    metric : str, optional
        Which metric to plan in, where several were fitted.
    """

    model_config = ConfigDict(json_schema_extra=_NEEDED)

    schema_version: Literal[2] = 2
    N: float | None = None
    D: float | None = None
    minimise: dict[str, float] = Field(default_factory=lambda: {DOMAIN: 1.0})
    keep: Annotated[tuple[Limit, ...], WithJsonSchema(_TEXTS)] = ()
    pools: Pools | None = None
    epochs: Epochs | None = None
    budget: Budget | None = None
    D_max: float | None = None
    sizes: Annotated[tuple[float, ...] | None, WithJsonSchema(_QUANTITIES)] = None
    N_min: float | None = None
    N_max: float | None = None
    r_min: float | None = None
    r_max: float | None = None
    r_now: float | None = None
    level: float = 0.9
    general_now: float | dict[str, float] | None = None
    metric: str | None = None

    @field_validator("schema_version", mode="before")
    @classmethod
    def _older(cls, value: Any) -> Any:
        return SCHEMA_VERSION if value == 1 else value

    @field_validator("N", "D", "D_max", "N_min", "N_max", mode="before")
    @classmethod
    def _quantity(cls, value: Any) -> float | None:
        if value is None:
            return None
        number = float("nan")
        if isinstance(value, (str, int, float)):
            number = _only_wanted(parse_quantity, value)
        if not number > 0:
            raise ValueError("wanted a positive number such as 7B")
        return number

    @field_validator("r_min", "r_max", "r_now", "level", mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        return _only_wanted(parse_share, value) if isinstance(value, str) else value

    @field_validator("sizes", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return value
        return tuple(sorted({number for item in value if (number := cls._quantity(item)) is not None}))

    @field_validator("minimise", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        if isinstance(value, str):
            return _only_wanted(weights.parse_weights, value)
        if isinstance(value, Mapping) and all(isinstance(item, (int, float)) for item in value.values()):
            return _only_wanted(weights.check_weights, value)
        raise ConfigError("wanted a loss or a weighted sum", hint=weights.EXAMPLES)

    @field_serializer("minimise")
    def _weights_text(self, value: dict[str, float]) -> str:
        return weights.spell_weights(value)

    @field_validator("keep", mode="before")
    @classmethod
    def _limits(cls, value: Any) -> Any:
        items = value if isinstance(value, (list, tuple)) else (value,)
        if not all(isinstance(item, (str, Limit, Mapping)) for item in items):
            raise ConfigError("wanted a limit on the general loss", hint=limit.EXAMPLES)
        return tuple(_only_wanted(Limit.parse, item) if isinstance(item, str) else item for item in items)

    @field_serializer("keep")
    def _limits_text(self, value: tuple[Limit, ...]) -> list[str]:
        return [str(item) for item in value]

    @model_validator(mode="after")
    def _possible(self) -> Objective:
        for name in ("r_min", "r_max", "r_now"):
            share = getattr(self, name)
            if share is not None and not 0 < share < 1:
                raise ValueError(
                    f"{name} is {share}; wanted a domain share between 0 and 1, the ends left out: "
                    "laws of the mixture do not reach them (0.99 is nearly no replay)"
                )
        if self.r_min is not None and self.r_max is not None and self.r_min >= self.r_max:
            raise ValueError(f"r_min is {self.r_min} and r_max {self.r_max}; wanted r_min below r_max")
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level}; wanted a probability between 0 and 1")
        for name, loss in self.losses_now.items():
            if not (math.isfinite(loss) and loss > 0):
                raise ValueError(f"general_now is {loss} ({name}); wanted a positive loss")
        contradiction(self)
        return self

    @property
    def losses_now(self) -> dict[str, float]:
        """Given losses of the base by evaluation set; a plain number belongs to ``general``."""
        if self.general_now is None:
            return {}
        return dict(self.general_now) if isinstance(self.general_now, dict) else {"general": self.general_now}

    @property
    def keep_text(self) -> str:
        """The limits as one text."""
        return ", ".join(map(str, self.keep))

    @property
    def minimise_text(self) -> str:
        """What is minimised, as text."""
        return weights.spell_weights(self.minimise)

    @property
    def is_free(self) -> bool:
        """Whether the question leaves more than the ratio open: tokens, size, or repetition."""
        return self.N is None or self.D is None or self.pools is not None

    @classmethod
    def of(cls, fields: Mapping[str, Any], where: str = "objective") -> Objective:
        """Build an objective from plain values.

        Raises
        ------
        ConfigError
            Naming the field, what was found and what was wanted.
        """
        return validate(cls, dict(fields), where)

    def __str__(self) -> str:
        size = "the best size" if self.N is None else f"{format_quantity(self.N)} parameters"
        tokens = "the best number of tokens" if self.D is None else f"{format_quantity(self.D)} tokens"
        what = f"lowest {self.minimise_text} loss of {size} after {tokens}"
        given = [f"from {self.pools}"] if self.pools is not None else []
        given += [f"for {self.budget}"] if self.budget is not None else []
        given += [f"keeping {self.keep_text}"] if self.keep else []
        return ", ".join([what, *given])


def _only_wanted(read: Callable[[Written], Value], text: Written) -> Value:
    """Read a text; of a mistake keep what is wanted, since its place and the text stand before it."""
    try:
        return read(text)
    except ConfigError as error:
        _, found, wanted = error.message.partition("; ")
        raise ConfigError(wanted if found else error.message, error.hint) from None
