"""What a run is fed: token shares per corpus, phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dcpt.core.errors import ConfigError
from dcpt.core.mixture_reweighting import ReweightingSpec
from dcpt.core.symbols import DOMAIN, ROLES


def _frozen(mapping: Mapping[str, object]) -> Mapping[str, object]:
    return MappingProxyType(dict(mapping))


@dataclass(frozen=True)
class MixturePhase:
    """Token shares in force from one sequence of the run on.

    Parameters
    ----------
    start : int
        Index of the first sequence of the phase, counted from the start of the run.
    shares : mapping
        Corpus name to its share of tokens; the shares sum to 1.
    """

    start: int
    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "shares", _frozen({name: float(share) for name, share in self.shares.items()})
        )
        if self.start < 0:
            raise ConfigError(f"mixture: a phase starts at sequence {self.start}; wanted 0 or more.")
        if not self.shares or any(not 0 <= share <= 1 for share in self.shares.values()):
            raise ConfigError(f"mixture: shares are {dict(self.shares)}; wanted numbers in [0, 1].")
        if abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ConfigError(
                f"mixture: shares {dict(self.shares)} sum to {sum(self.shares.values())}; wanted 1."
            )


@dataclass(frozen=True)
class MixtureSpec:
    """A mixture of corpora: the sampler is a pure function of this and of the step.

    Parameters
    ----------
    roles : mapping
        Corpus name to ``"general"`` or ``"domain"``.
    phases : tuple of MixturePhase
        In order of ``start``; the first starts at sequence 0.
    seed : int
        Order of the documents' windows and of the corpora within a block.
    block : int
        Sequences within which the counts per corpus are exact.
    skip : mapping
        Corpus name to the number of windows an earlier run (the base) has already used; they are
        held back from this run.
    skip_seed : int
        The seed that earlier run drew its windows with.
    limit : mapping
        Corpus name to the largest number of distinct windows this run may use: a limited supply.
    weights : mapping
        Corpus name to its share inside its side, for each side whose shares the user gave; they say how
        the side's losses are pooled, at every r. A side that is left out is pooled by training tokens.
    reweighting : ReweightingSpec, optional
        Moves the shares during the run, by its losses. A run's spec then has one phase, whose shares are
        the prior; the trainer adds a phase per update. None keeps the shares as they are.

    Raises
    ------
    ConfigError
        When shares, roles, phases or counts do not fit together.
    """

    roles: Mapping[str, str]
    phases: tuple[MixturePhase, ...]
    seed: int
    block: int
    skip: Mapping[str, int] = field(default_factory=dict)
    skip_seed: int = 0
    limit: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    reweighting: ReweightingSpec | None = None

    def __post_init__(self) -> None:
        for name in ("roles", "skip", "limit"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(
            self, "weights", _frozen({name: float(weight) for name, weight in self.weights.items()})
        )
        object.__setattr__(self, "phases", tuple(self.phases))
        starts = [phase.start for phase in self.phases]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ConfigError(f"mixture: phases start at {starts}; wanted 0 first and then growing numbers.")
        for phase in self.phases:
            if set(phase.shares) != set(self.roles):
                raise ConfigError(
                    f"mixture: a phase names {sorted(phase.shares)}; wanted exactly {sorted(self.roles)}."
                )
        if any(role not in ROLES for role in self.roles.values()):
            raise ConfigError(f"mixture: roles are {dict(self.roles)}; wanted general or domain.")
        if self.block < 1:
            raise ConfigError(f"mixture: block is {self.block}; wanted at least 1 sequence.")
        self._check_weights()
        if self.reweighting is not None:
            self.reweighting.check_mixture(self.phases[0].shares)

    def _check_weights(self) -> None:
        if not set(self.weights) <= set(self.roles):
            raise ConfigError(
                f"mixture: weights name {sorted(self.weights)}; known are {sorted(self.roles)}."
            )
        if any(not 0 <= weight <= 1 for weight in self.weights.values()):
            raise ConfigError(f"mixture: weights are {dict(self.weights)}; wanted numbers in [0, 1].")
        for side in ROLES:
            names = {name for name, role in self.roles.items() if role == side}
            given = names & set(self.weights)
            total = sum(self.weights[name] for name in given)
            # Shares are kept as decimals of nine digits, so they sum to 1 only about.
            if given and (given != names or abs(total - 1) > 1e-6):
                raise ConfigError(
                    f"mixture: the {side} weights of {sorted(given)} sum to {total}; "
                    f"wanted 1 over {sorted(names)}."
                )

    @property
    def r(self) -> float:
        """Domain share of tokens of the last phase."""
        shares = self.phases[-1].shares
        return float(sum(share for name, share in shares.items() if self.roles[name] == DOMAIN))

    @property
    def replay(self) -> float:
        """General share of tokens of the last phase, 1 - r."""
        return 1.0 - self.r

    @property
    def largest_shares(self) -> dict[str, float]:
        """The largest share each corpus can get: of all phases, or what reweighting allows it."""
        shares = {name: max(phase.shares[name] for phase in self.phases) for name in self.roles}
        if self.reweighting is None:
            return shares
        bounds = self.reweighting.bounds
        floors = sum(bounds[name][0] for name in bounds)
        return {
            name: min(bounds.get(name, (0.0, 1.0))[1], 1 - floors + bounds.get(name, (0.0, 1.0))[0])
            if share > 0
            else 0.0
            for name, share in shares.items()
        }
