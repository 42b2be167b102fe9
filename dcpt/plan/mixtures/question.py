"""What is asked of a mixture: what to minimise, what to keep, which shares, from which pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_serializer, field_validator, model_validator

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity, parse_share
from dcpt.core.settings import Quantity
from dcpt.laws.data_constrained import R_D
from dcpt.plan.asked import Asked
from dcpt.plan.limit import Limit
from dcpt.plan.mixtures.share_rule import EXAMPLES as SHARES
from dcpt.plan.mixtures.share_rule import ShareRule
from dcpt.plan.mixtures.target_limit import EXAMPLES as LIMITS
from dcpt.plan.mixtures.target_limit import parse_limit

SCHEMA_VERSION = 1

Against = Literal["base", "proportional", "uniform", "best", "now", "centre"]

EPOCHS = 4.0
"""Most passes over a pool where neither a cap nor a discount is given: up to four are worth nearly as much as
unique tokens (Muennighoff et al. 2023, arXiv:2305.16264)."""


_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
"""What may be written where texts are read; see `dcpt schema`."""


class MixtureQuestion(Asked):
    """The question a plan of many corpora answers.

    Attributes
    ----------
    minimise : str, optional
        ``mean`` of all targets, one target, a side (``domain``), a weighted mean (``0.7*wiki + 0.3*code``),
        or ``worst``: the greatest relative rise over what `against` says; ``worst(wiki, code)`` of some. By
        default ``domain`` where the runs say which corpora these are, else ``mean``.
    keep : tuple of Limit, optional
        Limits on targets or sides: ``wiki <= 3.1``, or ``general <= +1%`` above what `against` says. By
        default those of the sweep's target, where the runs come from a sweep with one.
    against : str, optional
        What relative limits and ``worst`` are measured from: the losses of the ``base`` before continual
        pre-training, or those of a mixture: ``proportional`` to the pools, ``uniform``, the ``best`` run
        seen, ``now``, or the ``centre`` of the runs. By default the first that is known of base, now,
        proportional and centre.
    shares : tuple of ShareRule
        Bounds, groups and pins.
    general : tuple of str
        Corpora of the general side, whose share together is the replay; by default those the runs say.
    replay : float, optional
        Least share of the general side.
    pools : mapping of str to float
        Unique tokens of a corpus; those not named are unlimited.
    tokens : float, optional
        Training tokens D of the run; needed for epochs.
    epochs : float or mapping of str to float, optional
        Most passes over a pool.
    discount : bool
        Count repeated tokens for less, instead of capping epochs at `EPOCHS`.
    decay : float
        R_D* of the discount, in epochs.
    token_slope : float
        Loss that a factor e of fewer useful tokens costs, in the unit of the losses; a fit at one D cannot
        know it.
    now : mapping of str to float, optional
        The mixture in use.
    level : float
        Probability of every interval.
    """

    schema_version: Literal[1] = 1
    minimise: str | None = None
    keep: Annotated[tuple[Limit, ...] | None, WithJsonSchema(_TEXTS)] = None
    against: Against | None = None
    shares: Annotated[tuple[ShareRule, ...], WithJsonSchema(_TEXTS)] = ()
    general: Annotated[tuple[str, ...], WithJsonSchema(_TEXTS)] = ()
    replay: float | None = None
    pools: dict[str, Quantity] = Field(default_factory=dict)
    tokens: Quantity | None = None
    epochs: float | dict[str, float] | None = None
    discount: bool = False
    decay: float = R_D
    token_slope: float = 0.0
    now: dict[str, float] | None = None
    level: float = 0.9

    @field_validator("keep", mode="before")
    @classmethod
    def _limits(cls, value: Any) -> Any:
        if value is None:
            return None
        items = value if isinstance(value, (list, tuple)) else (value,)
        if not all(isinstance(item, (str, Limit, Mapping)) for item in items):
            raise ConfigError("wanted limits on targets", hint=LIMITS)
        return tuple(_read(parse_limit, item) for item in items)

    @field_validator("replay", "level", mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        return _read(parse_share, value) if isinstance(value, str) else value

    @field_validator("now", mode="before")
    @classmethod
    def _mixture(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: _read(parse_share, own) if isinstance(own, str) else own for key, own in value.items()}

    @field_validator("shares", mode="before")
    @classmethod
    def _rules(cls, value: Any) -> Any:
        items = value if isinstance(value, (list, tuple)) else (value,)
        if not all(isinstance(item, (str, ShareRule, Mapping)) for item in items):
            raise ConfigError("wanted rules on shares", hint=SHARES)
        return tuple(_read(ShareRule.parse, item) for item in items)

    @field_validator("general", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split("+")) if isinstance(value, str) else value

    @field_serializer("keep", "shares")
    def _texts(self, value: tuple[Limit | ShareRule, ...] | None) -> list[str] | None:
        return None if value is None else [str(item) for item in value]

    @model_validator(mode="after")
    def _possible(self) -> MixtureQuestion:
        if not 0 < self.level < 1:
            raise ValueError(f"level is {self.level}; wanted a probability between 0 and 1")
        for name, pool in self.pools.items():
            if not pool > 0:
                raise ConfigError(
                    f"the pool of {name} is {pool:g} tokens; wanted a positive number",
                    hint=f"to leave the corpus out, give it no share: '{name} = 0'",
                )
        if self.tokens is not None and not self.tokens > 0:
            raise ValueError(f"tokens are {self.tokens:g}; wanted a positive number")
        if self.replay is not None and not 0 <= self.replay <= 1:
            raise ValueError(f"replay is {self.replay:g}; wanted a share from 0 to 1")
        if self.epochs is not None or self.discount:
            what = "epochs are capped" if self.epochs is not None else "repeated tokens are discounted"
            if not self.pools or self.tokens is None:
                raise ValueError(f"{what}; wanted pools and the run's tokens beside it")
        self._check_epochs()
        if not (math.isfinite(self.decay) and self.decay > 0):
            raise ValueError(f"decay is {self.decay:g}; wanted a positive number of epochs")
        if not (math.isfinite(self.token_slope) and self.token_slope >= 0):
            raise ValueError(f"token_slope is {self.token_slope:g}; wanted a number of 0 or more")
        if self.against == "now" and self.now is None:
            raise ValueError("against is now and the mixture in use is not given; wanted it in now")
        return self

    def _check_epochs(self) -> None:
        caps = self.epochs if isinstance(self.epochs, dict) else {"epochs": self.epochs}
        for name, cap in caps.items():
            if cap is not None and not (math.isfinite(cap) and cap > 0):
                raise ValueError(f"the most epochs ({name}) are {cap:g}; wanted a positive number")
            if isinstance(self.epochs, dict) and name not in self.pools:
                raise ValueError(f"epochs of {name} are capped and its pool is not given; wanted it in pools")

    def most_epochs(self, corpus: str) -> float | None:
        """Cap on the passes over a pool; None without one."""
        if corpus not in self.pools or self.tokens is None:
            return None
        if isinstance(self.epochs, dict):
            return self.epochs.get(corpus, None if self.discount else EPOCHS)
        return self.epochs if self.epochs is not None or self.discount else EPOCHS

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The limits; none where they are left to the sweep."""
        return self.keep or ()

    def __str__(self) -> str:
        parts = [f"lowest {self.minimise or 'loss'}"]
        if self.tokens is not None:
            parts.append(f"after {format_quantity(self.tokens)} tokens")
        if self.limits:
            parts.append("keeping " + ", ".join(map(str, self.limits)))
        if self.shares:
            parts.append("with " + ", ".join(map(str, self.shares)))
        if self.replay is not None:
            parts.append(f"replay of {' + '.join(self.general)} >= {self.replay:g}")
        return ", ".join(parts)


def _read(parse: Callable[[str], Any], item: Any) -> Any:
    """Read a text; of a mistake keep the text and what is wanted, since the field stands before it."""
    if not isinstance(item, str):
        return item
    try:
        return parse(item)
    except ConfigError as error:
        raise ConfigError(f"{item!r}: {error.message.partition('; ')[2]}", error.hint) from None
