"""Mixtures of several corpora as a sweep file has them: a list of them, or a design that places them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from dcpt.core.errors import ConfigError
from dcpt.core.mixture_table import LEAST_MIXTURES
from dcpt.core.settings import Settings
from dcpt.sweep.schedule_settings import Positive, Share

PROPORTIONAL, UNIFORM = "proportional", "uniform"
BASELINES = (PROPORTIONAL, UNIFORM)
SUM_TOLERANCE = 1e-6
"""How far written shares may miss 1: what six decimals a share lose. The largest share takes the rest."""


def _shares(value: Any) -> Any:
    """Check a mixture as written: a baseline's name, or shares of tokens that sum to 1."""
    if isinstance(value, str):
        if value not in BASELINES:
            raise ConfigError(f"mixture {value!r} is unknown; wanted {' or '.join(BASELINES)}, or shares.")
        return value
    if not isinstance(value, dict):
        raise ConfigError("wanted corpora with their shares of tokens.", "{wiki: 0.6, law: 0.4}")
    for name, share in value.items():
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            percent = (isinstance(share, str) and share.strip().endswith("%")) or (
                isinstance(share, (int, float)) and 1 < share <= 100
            )
            raise ConfigError(
                f"the share of {name!r} is {share!r}; wanted a number in [0, 1].",
                "looks like a percentage; write 0.3 for 30 %" if percent else None,
            )
    total = sum(value.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise ConfigError(f"the shares sum to {total:g}; wanted 1.", "corpora left out have share 0")
    return value


MOST_MIXTURES = 10_000
"""Mixtures of a design: twenty times those of the largest published sweep (RegMix: 512)."""

Baseline = Literal["proportional", "uniform"]
MixtureShares = Annotated[Baseline | dict[str, float], BeforeValidator(_shares)]
"""A mixture as written: ``proportional`` to training tokens, ``uniform``, or {corpus: share}."""


class MixtureDesign(Settings):
    """Mixtures placed on the simplex of shares, the same ones for the same seed.

    `kind` says how: ``sobol-simplex`` spreads a quasi-random sequence evenly, ``dirichlet`` draws at random,
    both with density Dirichlet(`concentration` x corpora x `around`); ``vertices+centroid`` takes, for each
    corpus, the mixture with as much of it as the bounds allow, and `around` itself. A longer design of one
    seed begins with the shorter one. `include` names baselines to train as well, within the `count`.
    `bounds` are the least and the greatest share of a corpus; the supply of text and ``max_epochs`` may
    lower the greatest. `repeats` mixtures, the first ones, are trained once more with another seed, to
    measure the noise. `rounds` are the sizes of the rounds of ``dcpt sweep rounds``.
    """

    kind: Literal["sobol-simplex", "dirichlet", "vertices+centroid"] = "sobol-simplex"
    count: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    concentration: Positive = 1.0
    around: MixtureShares = UNIFORM
    bounds: dict[str, tuple[Share, Share]] = Field(default_factory=dict)
    include: tuple[Baseline, ...] = BASELINES  # type: ignore[assignment]
    repeats: Annotated[int, Field(ge=0)] = 0
    rounds: tuple[Annotated[int, Field(ge=1)], ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> MixtureDesign:
        if (wanted := max(self.count or 0, sum(self.rounds))) > MOST_MIXTURES:
            raise ConfigError(
                f"{wanted} mixtures are asked for; wanted {MOST_MIXTURES} at most, each of which is trained."
            )
        for name, (low, high) in self.bounds.items():
            if low > high:
                raise ConfigError(
                    f"bounds of {name!r} are [{low:g}, {high:g}]; wanted the least share first."
                )
        if self.kind == "vertices+centroid" and (self.count is not None or self.rounds):
            raise ConfigError(
                "vertices+centroid has one mixture per corpus and one more: no count, no rounds."
            )
        if self.rounds and self.count is not None:
            raise ConfigError("count and rounds are both given; the first of the rounds is the count.")
        if self.rounds and self.rounds[0] < LEAST_MIXTURES:
            raise ConfigError(
                f"the first of the rounds has {self.rounds[0]} mixtures; wanted at least {LEAST_MIXTURES}, "
                "from which a predictor can be chosen.",
                "make the first round the longest, as in [64, 32, 16]",
            )
        if isinstance(self.around, dict) and self.kind != "vertices+centroid" and 0 in self.around.values():
            raise ConfigError("around has a share of 0; wanted a density over all corpora.")
        return self


def _form(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "design"


MixtureSettings = Annotated[
    Annotated[Annotated[tuple[MixtureShares, ...], Field(min_length=1)], Tag("list")]
    | Annotated[MixtureDesign, Tag("design")],
    Discriminator(_form),
]
"""``cpt.mixtures``: a list of mixtures, or a design."""


EXAMPLE = """a design of 12 mixtures, or mixtures as they are:
    mixtures: {kind: sobol-simplex, count: 12, bounds: {law: [0.2, 0.8]}}
    mixtures: [proportional, {wiki: 0.6, law: 0.4}]"""
"""What ``cpt.mixtures`` may look like, law and wiki being corpora."""


def without_tags(error: ConfigError) -> ConfigError:
    """The error with paths as the file has them, into which pydantic puts the form of `MixtureSettings`.

    A key that a design does not have is answered with those it has.
    """
    message, hint = error.message, error.hint
    for form in ("list", "design"):
        message = message.replace(f"cpt.mixtures.{form}", "cpt.mixtures")
    if "unknown key 'cpt.mixtures." in message:
        keys = f"its keys are {', '.join(MixtureDesign.model_fields)}; {EXAMPLE}"
        hint = f"{hint} {keys}" if hint else keys
    return ConfigError(message, hint)
