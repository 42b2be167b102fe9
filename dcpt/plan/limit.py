"""A limit on one loss: how far it may rise, as people write it."""

from __future__ import annotations

import math
import re
from typing import Literal

from pydantic import model_validator

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.plan.asked import Asked

LimitKind = Literal["relative", "increase", "ceiling"]

_TEXT = re.compile(r"\s*(\w[\w./-]*)\s*(?:<=|≤)\s*([+-]?)\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*")

EXAMPLES = (
    "write 'general <= +2%', 'general <= +0.05' (above today) or 'general <= 2.95' (a ceiling), both in the "
    "unit of the fits"
)


class Limit(Asked):
    """How far the loss of one evaluation set may rise.

    Attributes
    ----------
    eval_set : str
        ``general``, or the name of an evaluation set of the general side.
    kind : {"relative", "increase", "ceiling"}
        Relative to the base's loss on that set before continual pre-training, an increase over it, or a
        ceiling; the last two in the unit of the fits (nats per token, or bits per byte).
    amount : float
        0.02 for +2 %, 0.05 for an increase of 0.05, 2.95 for a ceiling of 2.95.
    """

    eval_set: str = GENERAL
    kind: LimitKind
    amount: float

    @model_validator(mode="after")
    def _possible(self) -> Limit:
        if not math.isfinite(self.amount):
            raise ValueError(f"the tolerance is {self.amount}; wanted a finite number")
        if self.kind == "ceiling" and self.amount <= 0:
            raise ValueError(f"the ceiling is {self.amount}; wanted a positive loss")
        if self.kind == "relative" and self.amount <= -1:
            raise ValueError(f"the tolerance is {self.amount:+.0%}; no loss can fall by 100 % or more")
        return self

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read a limit as people write it.

        Parameters
        ----------
        text : str
            ``general <= +2%``, ``wiki <= +0.05`` (a sign: above the base's loss before continual
            pre-training) or ``general <= 2.95`` (no sign: a ceiling), both in the unit of the fits.

        Raises
        ------
        ConfigError
            When the text is none of these.

        Examples
        --------
        >>> Limit.parse("general <= +2%")
        Limit(eval_set='general', kind='relative', amount=0.02)
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ConfigError(f"keep: got {text!r}; wanted a limit on the general loss.", hint=EXAMPLES)
        name, sign, digits, percent = match.groups()
        if name == DOMAIN:
            raise ConfigError(
                f"keep: got a limit on {name!r}; wanted one on 'general' or a set of that side.",
                hint=EXAMPLES,
            )
        number = float(f"{sign}{digits}")
        kind: LimitKind = "relative" if percent else ("increase" if sign else "ceiling")
        try:
            return cls(eval_set=name, kind=kind, amount=round(number / 100, 12) if percent else number)
        except ConfigError as error:
            reason = error.message.removeprefix("Limit: ")
            raise ConfigError(f"keep: got {text!r}; {reason}", hint=EXAMPLES) from None

    @property
    def needs_base(self) -> bool:
        """Whether the ceiling depends on the base's loss."""
        return self.kind != "ceiling"

    def ceiling(self, now: float | None) -> float:
        """Highest loss allowed, in the unit of the fits.

        Parameters
        ----------
        now : float or None
            Loss of the base on that set before continual pre-training, in that unit.

        Raises
        ------
        ConfigError
            When the limit is relative to a loss that is not given, or leaves no positive loss.
        """
        if self.kind == "ceiling":
            return self.amount
        if now is None:
            raise ConfigError(
                f"keep: '{self}' is relative to the base's {self.eval_set} loss, which is not known."
            )
        limit = now * (1 + self.amount) if self.kind == "relative" else now + self.amount
        if limit <= 0:
            raise ConfigError(f"keep: '{self}' on a base at {now:.4f} leaves no positive loss.")
        return limit

    def admitting(self, loss: float, now: float | None) -> Limit:
        """The tightest limit of this kind, to four digits, that a loss keeps."""
        if self.kind == "ceiling" or now is None:
            return Limit(eval_set=self.eval_set, kind="ceiling", amount=math.ceil(loss * 1e4) / 1e4)
        rise = loss / now - 1 if self.kind == "relative" else loss - now
        return Limit(eval_set=self.eval_set, kind=self.kind, amount=math.ceil(rise * 1e4) / 1e4)

    def __str__(self) -> str:
        relative, sign = self.kind == "relative", "" if self.kind == "ceiling" else "+"
        number = f"{100 * self.amount if relative else self.amount:{sign}.12f}".rstrip("0").rstrip(".")
        return f"{self.eval_set} <= {number}{'%' if relative else ''}"
