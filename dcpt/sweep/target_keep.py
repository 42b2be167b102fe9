"""The limit of a sweep's target, checked before anything is tokenised or trained."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import DOMAIN, GENERAL


def check_target_keep(keep: str, roles: Mapping[str, str], mixed: bool) -> None:
    """Refuse a limit that no plan of the sweep could keep.

    Parameters
    ----------
    keep : str
        ``general <= +2%``.
    roles : mapping of str to str
        Corpus to its side.
    mixed : bool
        Whether it is a sweep of mixtures, whose limits are on corpora and sides; those of the others are on
        evaluation sets of the general side.

    Raises
    ------
    ConfigError
        When the text is no limit, or its name is none of the sweep's.
    """
    try:
        if mixed:
            from dcpt.sweep.aim import check_aim, make_aim

            check_aim(make_aim(DOMAIN, [keep], roles), roles)
            return
        _check_sides(keep, roles)
    except ConfigError as error:
        raise ConfigError(f"target.keep: {_bare(error.message)}", error.hint) from None


def _check_sides(keep: str, roles: Mapping[str, str]) -> None:
    from dcpt.plan.limit import Limit

    name = Limit.parse(keep).eval_set
    general = [corpus for corpus, role in roles.items() if role == GENERAL]
    known = [GENERAL, *(f"{GENERAL}/{corpus}" for corpus in general if len(general) > 1)]
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    raise ConfigError(
        f"{name!r} is no evaluation set of the general side; wanted one of {', '.join(known)}.",
        f"did you mean {close[0]!r}?" if close else None,
    )


def _bare(message: str) -> str:
    """Without the places that stand before it already."""
    for start in ("rounds: ", "keep: ", "keep[0]: "):
        message = message.removeprefix(start)
    return message
