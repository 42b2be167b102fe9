"""Flags that speak of mixtures of many corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from dcpt.core.errors import ConfigError

Shares = Annotated[
    list[str] | None,
    typer.Option(
        "--shares",
        help="Of many corpora, repeatable: 'wiki >= 0.1', 'books = 5%' or 'web = cc + c4 <= 0.6'.",
    ),
]
Against = Annotated[
    Literal["proportional", "uniform", "best", "now", "centre"] | None,
    typer.Option("--against", help="Of many corpora: the mixture that 'wiki <= +1%' is measured from."),
]
Discount = Annotated[
    bool,
    typer.Option("--discount", help="Of many corpora: count repeated tokens for less, instead of a cap."),
]
Propose = Annotated[
    int | None,
    typer.Option("--propose", min=1, help="Of many corpora: name this many mixtures to train next instead."),
]


def refuse_without_corpora(given: Mapping[str, Any]) -> None:
    """Refuse flags of mixtures where the fits are not of many corpora.

    Raises
    ------
    ConfigError
        Naming the first that is there.
    """
    for name, value in given.items():
        if value not in (None, False, []):
            raise ConfigError(
                f"{name} speaks of mixtures of many corpora; it means nothing for these fits.",
                hint="fit a table with columns share:NAME and loss:NAME first",
            )
