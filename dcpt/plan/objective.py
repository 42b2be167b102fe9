"""What "best" means: what to minimise, what to keep, and for which run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity, parse_quantity
from dcpt.core.settings import validate
from dcpt.core.strict_yaml import read_yaml

ToleranceKind = Literal["relative", "increase", "ceiling"]
Written = TypeVar("Written")
Value = TypeVar("Value")

_TOLERANCE = re.compile(r"\s*(\w+)\s*(?:<=|≤)\s*([+-]?)\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*")
_EXAMPLES = (
    "write 'general <= +2%', 'general <= +0.05' (above today) or 'general <= 2.95' (a ceiling), both in the "
    "unit of the fits"
)


class Tolerance(BaseModel):
    """How far the general loss may rise.

    Attributes
    ----------
    kind : {"relative", "increase", "ceiling"}
        Relative to the base's general loss before continual pre-training, an increase over it, or a
        ceiling; the last two in the unit of the fits (nats per token, or bits per byte).
    amount : float
        0.02 for +2 %, 0.05 for an increase of 0.05, 2.95 for a ceiling of 2.95.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ToleranceKind
    amount: float

    @model_validator(mode="after")
    def _possible(self) -> Tolerance:
        if not math.isfinite(self.amount):
            raise ValueError(f"the tolerance is {self.amount}; wanted a finite number")
        if self.kind == "ceiling" and self.amount <= 0:
            raise ValueError(f"the ceiling is {self.amount}; wanted a positive loss")
        if self.kind == "relative" and self.amount <= -1:
            raise ValueError(f"the tolerance is {self.amount:+.0%}; no loss can fall by 100 % or more")
        return self

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read a tolerance as people write it.

        Parameters
        ----------
        text : str
            ``general <= +2%``, ``general <= +0.05`` (a sign: above the base's loss before continual
            pre-training) or ``general <= 2.95`` (no sign: a ceiling), both in the unit of the fits.

        Raises
        ------
        ConfigError
            When the text is none of these.

        Examples
        --------
        >>> Tolerance.parse("general <= +2%")
        Tolerance(kind='relative', amount=0.02)
        """
        match = _TOLERANCE.fullmatch(text)
        if match is None:
            raise ConfigError(f"keep: got {text!r}; wanted a limit on the general loss.", hint=_EXAMPLES)
        side, sign, digits, percent = match.groups()
        if side != "general":
            raise ConfigError(f"keep: got a limit on {side!r}; wanted one on 'general'.", hint=_EXAMPLES)
        number = float(f"{sign}{digits}")
        kind: ToleranceKind = "relative" if percent else ("increase" if sign else "ceiling")
        try:
            return cls(kind=kind, amount=round(number / 100, 12) if percent else number)
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise ConfigError(f"keep: got {text!r}; {reason}.", hint=_EXAMPLES) from None

    @property
    def needs_base(self) -> bool:
        """Whether the ceiling depends on the base's general loss."""
        return self.kind != "ceiling"

    def ceiling(self, general_now: float | None) -> float:
        """Highest general loss allowed, in the unit of the fits.

        Parameters
        ----------
        general_now : float or None
            General loss of the base before continual pre-training, in that unit.

        Raises
        ------
        ConfigError
            When the tolerance is relative to a loss that is not given, or leaves no positive loss.
        """
        if self.kind == "ceiling":
            return self.amount
        if general_now is None:
            raise ConfigError(f"keep: '{self}' is relative to the base's general loss, which is not known.")
        limit = general_now * (1 + self.amount) if self.kind == "relative" else general_now + self.amount
        if limit <= 0:
            raise ConfigError(f"keep: '{self}' on a base at {general_now:.4f} leaves no positive loss.")
        return limit

    def __str__(self) -> str:
        relative, sign = self.kind == "relative", "" if self.kind == "ceiling" else "+"
        number = f"{100 * self.amount if relative else self.amount:{sign}.12f}".rstrip("0").rstrip(".")
        return f"general <= {number}{'%' if relative else ''}"


class Objective(BaseModel):
    """The question a plan answers.

    Attributes
    ----------
    schema_version : {1}
        Version of the file format.
    N : float
        Non-embedding parameters of the model to train; ``"7B"`` is read.
    D : float
        Training tokens of the run; ``"20B"`` is read.
    minimise : {"domain"}
        The side whose loss is made as low as possible.
    keep : Tolerance
        The limit on the general loss; read from text.
    r_min, r_max : float, optional
        Range of domain shares to search, within (0, 1); by default the range the laws were fitted on.
    level : float
        Probability of every interval in the plan.
    general_now : float, optional
        Measured general loss of the base to train, in the unit of the fits, before continual
        pre-training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    N: float
    D: float
    minimise: Literal["domain"] = "domain"
    keep: Tolerance
    r_min: float | None = None
    r_max: float | None = None
    level: float = 0.9
    general_now: float | None = None

    @field_validator("N", "D", mode="before")
    @classmethod
    def _quantity(cls, value: Any) -> float:
        number = float("nan")
        if isinstance(value, (str, int, float)):
            number = _only_wanted(parse_quantity, value)
        if not number > 0:
            raise ValueError("wanted a positive number such as 7B")
        return number

    @field_validator("keep", mode="before")
    @classmethod
    def _limit(cls, value: Any) -> Any:
        if isinstance(value, (str, Tolerance, Mapping)):
            return _only_wanted(Tolerance.parse, value) if isinstance(value, str) else value
        raise ConfigError("wanted a limit on the general loss", hint=_EXAMPLES)

    @field_serializer("keep")
    def _limit_text(self, value: Tolerance) -> str:
        return str(value)

    @model_validator(mode="after")
    def _possible(self) -> Objective:
        for name, share in (("r_min", self.r_min), ("r_max", self.r_max)):
            if share is not None and not 0 < share < 1:
                raise ValueError(f"{name} is {share}; wanted a domain share between 0 and 1")
        if self.r_min is not None and self.r_max is not None and self.r_min >= self.r_max:
            raise ValueError(f"r_min is {self.r_min} and r_max {self.r_max}; wanted r_min below r_max")
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level}; wanted a probability between 0 and 1")
        if self.general_now is not None and not (math.isfinite(self.general_now) and self.general_now > 0):
            raise ValueError(f"general_now is {self.general_now}; wanted a positive loss")
        return self

    @classmethod
    def of(cls, fields: Mapping[str, Any], where: str = "objective") -> Objective:
        """Build an objective from plain values.

        Raises
        ------
        ConfigError
            Naming the field, what was found and what was wanted.
        """
        return validate(cls, dict(fields), where)

    @classmethod
    def read(cls, path: Path | str) -> Objective:
        """Read an objective from a YAML file with these fields.

        Raises
        ------
        ConfigError
            When the file is not a mapping of these fields.
        """
        return cls.of(read_yaml(path), str(path))

    def __str__(self) -> str:
        return (
            f"lowest {self.minimise} loss of {format_quantity(self.N)} parameters after "
            f"{format_quantity(self.D)} tokens, keeping {self.keep}"
        )


def _only_wanted(read: Callable[[Written], Value], text: Written) -> Value:
    """Read a text; of a mistake keep what is wanted, since its place and the text stand before it."""
    try:
        return read(text)
    except ConfigError as error:
        raise ConfigError(error.message.partition("; ")[2], error.hint) from None
