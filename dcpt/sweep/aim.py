"""What a sweep of mixtures looks for: the question a plan of mixtures answers, checked before it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dcpt.core.symbols import DOMAIN
from dcpt.plan.mixtures.goal import goal_weights
from dcpt.plan.mixtures.make_region import resolved
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.share_rule import ShareRule
from dcpt.plan.mixtures.side_targets import side_targets, single_targets
from dcpt.sweep.mixture_rows import eval_set_of

if TYPE_CHECKING:
    from dcpt.sweep.mixtures import Region

DEFAULT_AIM = DOMAIN
"""What is minimised unless said otherwise: the loss of the domain side."""


def make_aim(
    minimise: str, keep: Sequence[str], roles: Mapping[str, str], region: Region | None = None
) -> MixtureQuestion:
    """Read what a sweep looks for, and check its names.

    Parameters
    ----------
    minimise : str
        ``domain``, a corpus, or ``0.7*law + 0.3*wiki``.
    keep : sequence of str
        ``general <= +2%`` above the base's loss, ``wiki <= 3.1``.
    roles : mapping of str to str
        Corpus to its side.
    region : Region, optional
        Where the mixtures may lie.

    Returns
    -------
    MixtureQuestion
        With the bounds of the region as rules, and the corpora's training tokens as pools, to which the
        proportional mixture is proportional.

    Raises
    ------
    ConfigError
        When a text cannot be read, or a name is no corpus and no side.
    """
    rules = []
    if region is not None:
        rules = [
            ShareRule(name=name, corpora=(name,), low=region.low[name], high=region.high[name])
            for name in region.corpora
            if (region.low[name], region.high[name]) != (0.0, 1.0)
        ]
    pools = {} if region is None else {name: corpus.train.tokens for name, corpus in region.corpora.items()}
    fields = {"minimise": minimise, "keep": tuple(keep), "shares": rules, "pools": pools}
    question = MixtureQuestion.of(fields, "rounds")
    check_aim(question, roles)
    return question


def check_aim(question: MixtureQuestion, roles: Mapping[str, str]) -> None:
    """Refuse names that are no corpus and no side of a sweep.

    Raises
    ------
    ConfigError
        Saying which names there are.
    """
    targets, corpora, sides = tuple(eval_set_of(roles)), tuple(roles), tuple(roles.values())
    full = resolved(question, corpora, targets, sides)
    stand = side_targets(targets, corpora, sides)
    goal_weights(full.minimise or DEFAULT_AIM, targets, stand, single_targets(targets, corpora, sides))
