"""A corpus as a sweep file has it: what is built, and what it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import model_validator

from dcpt.core.symbols import GENERAL, STAND_IN
from dcpt.corpus.spec import CorpusSpec

SOURCE = "dcpt"
"""Source of the rows of a loss table that a sweep measured."""


class SweepCorpus(CorpusSpec):
    """A corpus of one side. `stand_in` says that it replaces pre-training text of the bases that nobody has.

    What is then measured on the general side is kept and forgotten of the stand-in, not of what the bases
    have learnt; loss tables and reports say so.
    """

    stand_in: bool = False

    @model_validator(mode="after")
    def _general(self) -> Self:
        if self.stand_in and self.role != GENERAL:
            raise ValueError(f"stand_in is for general corpora; {self.name!r} is of the domain")
        return self

    @property
    def built(self) -> CorpusSpec:
        """What its tokens depend on."""
        return CorpusSpec.model_validate(self.model_dump(exclude={"stand_in"}, exclude_unset=True))


def source_of(corpora: Iterable[SweepCorpus]) -> str:
    """Source of a sweep's losses: ``dcpt``, and which corpora are stand-ins."""
    names = [corpus.name for corpus in corpora if corpus.stand_in]
    return f"{SOURCE}, {STAND_IN} {' '.join(names)}" if names else SOURCE


def stand_in_notes(corpora: Iterable[SweepCorpus]) -> list[str]:
    """What a reader should know of stand-ins."""
    names = [corpus.name for corpus in corpora if corpus.stand_in]
    if not names:
        return []
    return [
        f"{', '.join(map(repr, names))} stands in for pre-training text that is not known: general losses, "
        "and every limit on forgetting, are those of the stand-in"
    ]
