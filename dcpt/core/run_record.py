"""What became of a run: the commit point of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict

SCHEMA_VERSION = 1
FILE_NAME = "record.json"


@dataclass(frozen=True)
class RunRecord:
    """The outcome of a run, beside its ``spec.json`` and ``metrics.jsonl``.

    Parameters
    ----------
    run_id : str
        Name of the run.
    status : {"finished", "failed", "abandoned"}
        A failed run is tried again within a command; an abandoned one is not: another attempt would
        only repeat what happened.
    reason : str
        Why it did not finish; empty for a finished run.
    attempts : int
        How often it was started.
    parameters : mapping
        Parameters by component: embedding, attention, mlp, norm, head, other; tied heads count 0.
    steps, tokens : int
        Optimizer steps and tokens of the phase up to the run's end; a branch counts its trunk's too.
    r_seen : float
        Domain share of those tokens.
    epochs : mapping
        Corpus name to passes over it in the phase.
    flops, seconds : float
        Training FLOPs (matrix products, forward and backward) and wall time of this run's own steps.
    host, versions : mapping
        Machine and library versions.
    """

    run_id: str
    status: Literal["finished", "failed", "abandoned"]
    reason: str = ""
    attempts: int = 1
    parameters: Mapping[str, int] = field(default_factory=dict)
    steps: int = 0
    tokens: int = 0
    r_seen: float | None = None
    epochs: Mapping[str, float] = field(default_factory=dict)
    flops: float = 0.0
    seconds: float = 0.0
    host: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def N(self) -> int:
        """Non-embedding parameters: everything but the token embedding and the output head."""
        return sum(count for part, count in self.parameters.items() if part not in ("embedding", "head"))

    def save(self, folder: Path | str) -> Path:
        """Write ``record.json`` into the run's folder, atomically."""
        return files.write_json(Path(folder) / FILE_NAME, {"schema_version": SCHEMA_VERSION, **to_dict(self)})

    @classmethod
    def load(cls, folder: Path | str) -> RunRecord | None:
        """Read the folder's record; None when the run has not come to an end yet.

        Raises
        ------
        DataError
            When the file is damaged or of another schema version.
        """
        path = Path(folder) / FILE_NAME
        if not path.exists():
            return None
        document = files.read_json(path, "a run record", SCHEMA_VERSION)
        document.pop("schema_version")
        try:
            return from_dict(cls, document, str(path))
        except ConfigError as error:
            raise DataError(
                error.message, hint="delete the file; the run goes on from its last step"
            ) from None
