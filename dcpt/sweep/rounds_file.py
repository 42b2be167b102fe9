"""``rounds.json``: the mixtures of every round so far and why they were chosen; a kill loses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.sweep.mixtures import Mixture

ROUNDS = "rounds.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes
    ----------
    mixtures : tuple of Mixture
        What it trains.
    chosen_by : str
        ``design``, or the way in which the mixtures were chosen.
    found : mapping
        What the fit before this round said (see `dcpt.sweep.finding.Finding`); empty for the design.
    """

    mixtures: tuple[Mixture, ...]
    chosen_by: str
    found: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rounds:
    """A sweep in rounds, as far as it has come.

    Attributes
    ----------
    asked : mapping
        What was asked for: sizes of the rounds, aim, way of choosing, stopping rule.
    rounds : tuple of Round
        Those laid out so far; the runs of the last one may be waiting.
    ended : str
        Why no further round follows; empty while one may.
    answer : mapping
        What the last fit says: best mixture, predicted loss, expected gain of another round.
    """

    asked: Mapping[str, Any]
    rounds: tuple[Round, ...]
    ended: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """All mixtures, each once, in the order they were chosen; seeds of repeats added up."""
        found: dict[str, Mixture] = {}
        for mixture in (mixture for part in self.rounds for mixture in part.mixtures):
            there = found.get(mixture.label)
            more = mixture.more_seeds if there is None else there.more_seeds + 1 + mixture.more_seeds
            found[mixture.label] = replace(mixture, more_seeds=more)
        return tuple(found.values())

    def then(self, part: Round) -> Rounds:
        """With one more round."""
        return replace(self, rounds=(*self.rounds, part))

    def write(self, root: Path | str) -> Path:
        """Write ``rounds.json`` into a sweep's folder; atomically."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "asked": dict(self.asked),
            "rounds": [
                {
                    "chosen_by": part.chosen_by,
                    "mixtures": [
                        {"shares": dict(item.shares), "more_seeds": item.more_seeds} for item in part.mixtures
                    ],
                    "found": dict(part.found),
                }
                for part in self.rounds
            ],
            "ended": self.ended,
            "answer": dict(self.answer),
        }
        return files.write_json(Path(root) / ROUNDS, document)


def read_rounds(root: Path | str, corpora: Sequence[str]) -> Rounds | None:
    """Read ``rounds.json`` of a sweep's folder; None where there is none.

    Parameters
    ----------
    root : path
        Folder of the sweep.
    corpora : sequence of str
        Corpora of the sweep, which the mixtures must name.

    Raises
    ------
    DataError
        When the file is damaged.
    ConfigError
        When its mixtures are of other corpora.
    """
    path = Path(root) / ROUNDS
    if not path.exists():
        return None
    document = files.read_json(path, "the rounds of a sweep", SCHEMA_VERSION)
    try:
        rounds = tuple(
            Round(
                tuple(
                    Mixture.of({str(k): float(v) for k, v in item["shares"].items()}, int(item["more_seeds"]))
                    for item in part["mixtures"]
                ),
                str(part["chosen_by"]),
                dict(part["found"]),
            )
            for part in document["rounds"]
        )
        found = Rounds(
            dict(document["asked"]), rounds, str(document["ended"]), dict(document.get("answer", {}))
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: is damaged ({type(error).__name__}: {error}).",
            hint="delete it to begin the rounds anew; runs that are finished are not trained again",
        ) from None
    for mixture in found.mixtures:
        if set(mixture.shares) != set(corpora):
            raise ConfigError(
                f"{path}: its mixtures are of {', '.join(mixture.shares)}; "
                f"the sweep has {', '.join(corpora)}.",
                hint="put the sweep with other corpora into a folder of its own, or delete the file",
            )
    return found
