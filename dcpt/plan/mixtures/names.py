"""Names of corpora and targets that a question uses, found among those of a fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from dcpt.core.errors import ConfigError

_BREAKS = "_/.-:"


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names without the words that all of them begin or end with; as they are where that leaves nothing.

    Examples
    --------
    >>> short_names(["metric/the_pile_arxiv_val_loss", "metric/the_pile_pile_cc_val_loss"])
    ('arxiv', 'pile_cc')
    """
    if len(names) < 2:
        return tuple(names)
    start, end = _shared(names), _shared([name[::-1] for name in names])[::-1]
    first = max((start.rfind(mark) for mark in _BREAKS), default=-1) + 1
    marks = [place for mark in _BREAKS if (place := end.find(mark)) >= 0]
    last = len(end) - min(marks) if marks else 0
    made = tuple(name[first : len(name) - last] for name in names)
    whole = all(re.search(r"\w", name) for name in made) and len(set(made)) == len(made)
    return made if whole else tuple(names)


def _shared(names: Sequence[str]) -> str:
    """The characters that all names begin with."""
    least, most = min(names), max(names)
    equal = (one == two for one, two in zip(least, most, strict=False))
    return least[: next((at for at, same in enumerate(equal) if not same), len(least))]


def resolve(name: str, known: Sequence[str], what: str, where: str) -> str:
    """The name of a fit that is meant: itself, or its short form.

    Parameters
    ----------
    name : str
        As it stands in the question.
    known : sequence of str
        Names in the fit.
    what : str
        ``corpus`` or ``target``.
    where : str
        Field of the question.

    Raises
    ------
    ConfigError
        When there is no such name; the nearest one is said.
    """
    if name in known:
        return name
    short = short_names(known)
    if name in short:
        return known[short.index(name)]
    near = difflib.get_close_matches(name, short, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else None
    raise ConfigError(f"{where}: {what} {name!r} is unknown; wanted one of {', '.join(short)}.", hint)
