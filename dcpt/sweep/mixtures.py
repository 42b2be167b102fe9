"""The mixtures a sweep trains: one per ratio, or those of its list or design, as exact shares of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dcpt.core.errors import ConfigError
from dcpt.core.files import content_hash
from dcpt.corpus.shards import Corpus
from dcpt.sweep.mixture_settings import PROPORTIONAL, UNIFORM, MixtureDesign
from dcpt.sweep.spec import SweepSpec

if TYPE_CHECKING:
    from dcpt.sweep.simplex import Array

PER_CORPUS = 3
"""Mixtures recommended for each corpus, and for one more: proxies needed grow in proportion to the corpora,
and Olmix (allenai/olmix) asks for 3 (m + 1) of them."""


@dataclass(frozen=True)
class Mixture:
    """Token shares of the corpora, and how runs of them are called.

    Attributes
    ----------
    label : str
        Part of a run's name: ``r0.25`` for a ratio, ``m`` and a hash of the shares for a mixture, so that a
        mixture keeps its runs wherever it stands in a list.
    shares : mapping of str to float
        Corpus to its share of tokens; they sum to 1.
    more_seeds : int
        Further seeds it is trained with.
    """

    label: str
    shares: Mapping[str, float]
    more_seeds: int = 0

    @classmethod
    def of(cls, shares: Mapping[str, float], more_seeds: int = 0) -> Mixture:
        """The mixture with these shares, called by their hash."""
        return cls(f"m{content_hash(dict(shares), 6)}", MappingProxyType(dict(shares)), more_seeds)

    def seeds(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Seeds of its runs: those of the sweep, and the next whole numbers after the largest of them."""
        return (*seeds, *range(max(seeds) + 1, max(seeds) + 1 + self.more_seeds))


def recommended(corpora: int) -> int:
    """Fewest mixtures that a predictor over so many corpora should be given."""
    return PER_CORPUS * (corpora + 1)


@dataclass(frozen=True)
class Region:
    """The mixtures a design may take.

    Attributes
    ----------
    corpora : mapping of str to Corpus
        In the order of the sweep file.
    low, high : mapping of str to float
        Least and greatest share of each corpus.
    capped : mapping of str to float
        Corpora whose greatest share is what the supply of their text allows, not what the file does.
    """

    corpora: Mapping[str, Corpus]
    low: Mapping[str, float]
    high: Mapping[str, float]
    capped: Mapping[str, float]

    def holds(self, shares: Mapping[str, float]) -> bool:
        """Whether a mixture lies in it, to the last of its decimals."""
        return all(self.low[name] - 1e-6 <= shares[name] <= self.high[name] + 1e-6 for name in self.corpora)

    def arrays(self) -> tuple[Array, Array]:
        """Least and greatest shares, shape (m,) each."""
        import numpy as np

        low = np.array([self.low[name] for name in self.corpora], dtype=float)
        return low, np.array([self.high[name] for name in self.corpora], dtype=float)

    def exact(self, shares: Array) -> list[dict[str, float]]:
        """Rows of shares, shape (count, m), as exact decimals between the bounds."""
        from dcpt.sweep.simplex import round_shares

        rows = round_shares(shares, *self.arrays())
        return [dict(zip(self.corpora, map(float, row), strict=True)) for row in rows]


def region_of(
    design: MixtureDesign | None, corpora: Mapping[str, Corpus], supply: Mapping[str, float]
) -> Region:
    """Bounds of the file, and below them the most that a run can take of a corpus.

    Parameters
    ----------
    design : MixtureDesign, optional
        States bounds; None leaves every share free.
    corpora : mapping of str to Corpus
        The tokenised corpora.
    supply : mapping of str to float
        Corpus to the share of the longest run that its text can carry.

    Raises
    ------
    ConfigError
        When a bound names no corpus, or no mixture is left.
    """
    from dcpt.sweep.simplex import check_bounds

    bounds = dict(design.bounds) if design is not None else {}
    _known(bounds, corpora, "cpt.mixtures.bounds")
    low = {name: bounds.get(name, (0.0, 1.0))[0] for name in corpora}
    asked = {name: bounds.get(name, (0.0, 1.0))[1] for name in corpora}
    high = {name: min(asked[name], supply[name]) for name in corpora}
    for name in corpora:
        if low[name] > high[name]:
            raise ConfigError(
                f"cpt.mixtures.bounds: at least {low[name]:g} of {name!r} is wanted and its text carries "
                f"{high[name]:.3g} of the longest run.",
                "lower the bound or the budgets, add text, or raise cpt.max_epochs",
            )
    region = Region(corpora, low, high, {name: high[name] for name in corpora if high[name] < asked[name]})
    check_bounds(*region.arrays())
    return region


def mixtures_of(sweep: SweepSpec, region: Region) -> tuple[Mixture, ...]:
    """The mixtures of a sweep's list or design, in its order, each once.

    Parameters
    ----------
    sweep : SweepSpec
        A sweep of mixtures.
    region : Region
        What the design may take; a list is taken as written.

    Returns
    -------
    tuple of Mixture
    """
    settings = sweep.cpt.mixtures
    assert settings is not None
    if not isinstance(settings, MixtureDesign):
        listed = [Mixture.of(written(shares, region.corpora)) for shares in settings]
        if len({mixture.label for mixture in listed}) < len(listed):
            raise ConfigError("cpt.mixtures: a mixture stands twice.", "for another seed use cpt.seeds")
        return tuple(listed)
    return placed(settings, region, settings.count or (settings.rounds or (None,))[0])


def placed(design: MixtureDesign, region: Region, count: int | None = None) -> tuple[Mixture, ...]:
    """`count` mixtures of a design (default: as many as are recommended), its baselines among them."""
    import numpy as np

    from dcpt.sweep.simplex import fill, spread, vertex

    low, high = region.arrays()
    centre = _array(written(design.around, region.corpora), region)
    included = [_baseline(name, region.corpora) for name in design.include]
    found = [shares for shares in included if region.holds(shares)]
    if design.kind == "vertices+centroid":
        rows = [vertex(which, centre, low, high) for which in range(len(centre))]
        found = [*region.exact(np.array([*rows, fill(low, centre, high)])), *found]
        return tuple(Mixture.of(shares) for shares in _each_once(found))
    wanted = count if count is not None else recommended(len(region.corpora))
    alpha = design.concentration * len(centre) * centre
    # A few more than are needed: some may round to a mixture that is there.
    drawn = spread(wanted + len(found) + 8, alpha, low, high, design.seed, design.kind)
    mixtures = [Mixture.of(shares) for shares in _each_once([*found, *region.exact(drawn)])][:wanted]
    return tuple(
        replace(mixture, more_seeds=1) if number < design.repeats else mixture
        for number, mixture in enumerate(mixtures)
    )


def written(shares: str | Mapping[str, float], corpora: Mapping[str, Corpus]) -> dict[str, float]:
    """A mixture of the sweep file over all corpora, as decimals that sum to 1."""
    if isinstance(shares, str):
        return _baseline(shares, corpora)
    _known(shares, corpora, "cpt.mixtures")
    import numpy as np

    from dcpt.sweep.simplex import round_shares

    row = np.array([shares.get(name, 0.0) for name in corpora], dtype=float)
    # What is not there stays out of the mixture, whatever rounding leaves over.
    exact = round_shares(row / row.sum(), np.zeros(len(row)), (row > 0).astype(float))
    return dict(zip(corpora, map(float, exact), strict=True))


def _baseline(name: str, corpora: Mapping[str, Corpus]) -> dict[str, float]:
    sizes = {
        PROPORTIONAL: {key: float(corpus.train.tokens) for key, corpus in corpora.items()},
        UNIFORM: dict.fromkeys(corpora, 1.0),
    }[name]
    total = sum(sizes.values())
    return written({key: size / total for key, size in sizes.items()}, corpora)


def _array(shares: Mapping[str, float], region: Region) -> Array:
    import numpy as np

    # No density without every corpus: a share that rounds to 0 counts as the smallest there is.
    values = np.array([max(shares[name], 1e-6) for name in region.corpora], dtype=float)
    return np.asarray(values / values.sum(), dtype=np.float64)


def _each_once(found: Iterable[Mapping[str, float]]) -> list[Mapping[str, float]]:
    return list({tuple(shares.values()): shares for shares in found}.values())


def _known(names: Iterable[str], corpora: Mapping[str, Corpus], where: str) -> None:
    import difflib

    for name in names:
        if name not in corpora:
            close = difflib.get_close_matches(name, corpora, n=1)
            raise ConfigError(
                f"{where}: {name!r} is no corpus; the sweep has {', '.join(corpora)}.",
                f"did you mean {close[0]!r}?" if close else None,
            )
