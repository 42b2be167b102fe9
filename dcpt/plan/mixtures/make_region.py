"""From a question to the region of mixtures it leaves; contradictions are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linprog

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.plan.mixtures.goal import MEAN
from dcpt.plan.mixtures.names import resolve, short_names
from dcpt.plan.mixtures.question import MixtureQuestion
from dcpt.plan.mixtures.region import INSIDE, Region, Rule
from dcpt.plan.mixtures.share_rule import ShareRule
from dcpt.plan.mixtures.side_targets import side_targets
from dcpt.plan.mixtures.target_limit import parse_limit


def resolved(
    question: MixtureQuestion,
    corpora: Sequence[str],
    targets: Sequence[str],
    sides: Sequence[str] | None = None,
    keep: Sequence[str] = (),
) -> MixtureQuestion:
    """The question with the full names of corpora and of targets that are kept, and what is left open said.

    Parameters
    ----------
    question : MixtureQuestion
        As it was asked.
    corpora, targets : sequence of str
        Names in the fit.
    sides : sequence of str, optional
        Side of each corpus.
    keep : sequence of str
        Limits where the question leaves them open.

    Raises
    ------
    ConfigError
        When a name is unknown or a corpus is named twice.
    """
    stand = side_targets(targets, corpora, sides)

    def corpus(name: str, where: str) -> str:
        return resolve(name, corpora, "corpus", where)

    def target(name: str) -> str:
        of_side = stand.get(name, ()) if name not in targets else ()
        if len(of_side) > 1:
            raise ConfigError(
                f"keep: {name!r} has no pooled loss; wanted a limit on each of {', '.join(of_side)}."
            )
        return of_side[0] if of_side else resolve(name, targets, "target", "keep")

    general = question.general
    if question.replay is not None and not general:
        general = tuple(name for name, side in zip(corpora, sides or (), strict=False) if side == GENERAL)
        if not general:
            raise ConfigError(
                "replay is given and the general corpora are not; wanted their names in general."
            )
    limits = tuple(map(parse_limit, keep)) if question.keep is None else question.keep
    changes: dict[str, object] = {
        "minimise": question.minimise or (DOMAIN if DOMAIN in stand else MEAN),
        "general": tuple(corpus(name, "general") for name in general),
        "pools": {corpus(name, "pools"): value for name, value in question.pools.items()},
        "keep": tuple(item.model_copy(update={"eval_set": target(item.eval_set)}) for item in limits),
        "shares": tuple(
            rule.model_copy(update={"corpora": tuple(corpus(name, "shares") for name in rule.corpora)})
            for rule in question.shares
        ),
    }
    if question.now is not None:
        changes["now"] = {corpus(name, "now"): value for name, value in question.now.items()}
    if isinstance(question.epochs, dict):
        changes["epochs"] = {corpus(name, "epochs"): value for name, value in question.epochs.items()}
    return question.model_copy(update=changes)


def spoken(question: MixtureQuestion, corpora: Sequence[str], targets: Sequence[str]) -> MixtureQuestion:
    """The question with the short names of corpora and targets, for people; undoes `resolved`."""
    corpus = dict(zip(corpora, short_names(corpora), strict=True))
    target = dict(zip(targets, short_names(targets), strict=True))
    return question.model_copy(
        update={
            "general": tuple(corpus[name] for name in question.general),
            "pools": {corpus[name]: value for name, value in question.pools.items()},
            "keep": tuple(
                item.model_copy(update={"eval_set": target[item.eval_set]}) for item in question.limits
            ),
            "shares": tuple(_spoken_rule(rule, corpus) for rule in question.shares),
        }
    )


def _spoken_rule(rule: ShareRule, corpus: Mapping[str, str]) -> ShareRule:
    short = tuple(corpus[name] for name in rule.corpora)
    unnamed = rule.name in (" + ".join(rule.corpora), " + ".join(short))
    return rule.model_copy(update={"corpora": short, "name": " + ".join(short) if unnamed else rule.name})


def make_region(question: MixtureQuestion, corpora: Sequence[str]) -> Region:
    """The region a question leaves; its names are those of `corpora` (see `resolved`).

    Raises
    ------
    ConfigError
        When the rules contradict each other.
    """
    names = tuple(corpora)
    short = dict(zip(names, short_names(names), strict=True))
    rules: list[Rule] = []
    for rule in question.shares:
        members = tuple(names.index(name) for name in rule.corpora)
        told = _spoken_rule(rule, short)
        rules.append(Rule(told.name, "share", members, rule.low, rule.high, str(told)))
    if question.replay:
        members = tuple(names.index(name) for name in question.general)
        text = f"replay ({' + '.join(short[name] for name in question.general)}) >= {question.replay:g}"
        rules.append(Rule("replay", "replay", members, question.replay, 1.0, text))
    for name, pool in question.pools.items():
        most = question.most_epochs(name)
        if most is None or question.tokens is None:
            continue
        high = most * pool / question.tokens
        if high < 1:
            text = f"{short[name]} <= {most:g} epochs of {format_quantity(pool)} tokens ({high:.4g})"
            rules.append(Rule(short[name], "epochs", (names.index(name),), 0.0, high, text))
    region = Region(names, tuple(rules))
    _check_possible(region)
    return region


def _check_possible(region: Region) -> None:
    """Refuse rules that leave no mixture, and say what would have to give."""
    crossed = region.low > region.high + INSIDE
    if crossed.any():
        at = int(np.argmax(crossed))
        own = [rule.text for rule in region.rules if rule.members == (at,)]
        raise ConfigError(
            f"shares: {region.corpora[at]} is to be {region.low[at]:g} at least and {region.high[at]:g} "
            f"at most ({'; '.join(own)}); no share is both."
        )
    if region.low.sum() > 1 + INSIDE:
        raise ConfigError(
            f"shares: the least shares sum to {region.low.sum():.4g}; wanted 1 at most.", _all(region)
        )
    if region.high.sum() < 1 - INSIDE:
        caps = any(rule.kind == "epochs" for rule in region.rules)
        hint = "raise the epochs, lower the tokens, or pass discount" if caps else _all(region)
        raise ConfigError(
            f"shares: the greatest shares sum to {region.high.sum():.4g}; wanted 1 at least, "
            "since every token comes from some corpus.",
            hint,
        )
    gives = _least_give(region)
    if gives is not None:
        rule, amount = gives
        raise ConfigError(
            f"shares: the rules leave no mixture; '{rule.text}' would have to give {amount:.4g} "
            "for one that keeps the others.",
            _all(region),
        )


def _all(region: Region) -> str:
    return "the rules are: " + "; ".join(rule.text for rule in region.rules)


def _least_give(region: Region) -> tuple[Rule, float] | None:
    """The rule over several corpora that has to give most where rules contradict; None when none does."""
    members, low, high = region.rows
    if not len(low):
        return None
    count, width = len(low), len(region.corpora)
    give = np.eye(count)
    found = linprog(
        np.r_[np.zeros(width), np.ones(count)],
        A_ub=np.vstack([np.column_stack([members, -give]), np.column_stack([-members, -give])]),
        b_ub=np.r_[high, -low],
        A_eq=np.r_[np.ones(width), np.zeros(count)][None],
        b_eq=[1.0],
        bounds=[*zip(region.low, region.high, strict=True), *[(0.0, None)] * count],
    )
    slack = np.asarray(found.x[width:])
    if slack.sum() <= INSIDE:
        return None
    several = [rule for rule in region.rules if len(rule.members) > 1]
    at = int(np.argmax(slack))
    return several[at], float(slack[at])
