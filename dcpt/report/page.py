"""The page itself: cards laid out by the template, one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dcpt.core import files

if TYPE_CHECKING:
    from dcpt.report.cards import Card

FILE_NAME = "report.html"

TONES = {
    "supported": "good",
    "doubtful": "warn",
    "the data do not say": "warn",
    "do not change your mix on this evidence": "warn",
}
"""Colour of a verdict."""


def write_page(
    folder: Path,
    title: str,
    verdict: Mapping[str, str],
    cards: Sequence[Card],
    answer: Mapping[str, Any] | None = None,
    explore: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html`` into a folder.

    Parameters
    ----------
    folder : path
        Where to write; made if it does not exist.
    title : str
        Title of the page.
    verdict : mapping
        ``word``, ``line`` and ``tone``: good or warn.
    cards : sequence of Card
        The page's cards, in order.
    answer, explore : mapping, optional
        The share with its facts, and the losses at other shares, of a plan of two sides.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    environment = Environment(
        loader=PackageLoader("dcpt", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = environment.loader.get_source(environment, "page.css")[0]  # type: ignore[union-attr]
    page = environment.get_template("page.html.j2").render(
        title=title,
        folder=str(folder),
        version=version("dcpt"),
        css=Markup(css),
        verdict=verdict,
        answer=answer,
        explore=explore,
        cards=cards,
    )
    return files.write_text(folder / FILE_NAME, page)


def version(name: str) -> str:
    """Version of an installed package, in words where it is not."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
