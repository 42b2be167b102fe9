"""What the live check of launched runs saw: every held-out loss beside its band."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.run import store

SCHEMA_VERSION = 1
FILE_NAME = "live.json"


@dataclass(frozen=True)
class LiveCheck:
    """A held-out loss of a launched run beside its band, in the unit of the plan."""

    run_id: str
    step: int
    eval_set: str
    metric: str
    value: float
    lo: float
    mean: float
    hi: float
    inside: bool


def read_checks(root: Path, run_ids: Iterable[str]) -> tuple[LiveCheck, ...]:
    """The checks in the journals of runs, by run and step; none for a run that had no band.

    Raises
    ------
    DataError
        When a journal is damaged.
    """
    found = []
    for name in run_ids:
        for row in store.read_metrics(store.run_folder(root, name), "band"):
            fields = {key: row[key] for key in LiveCheck.__dataclass_fields__ if key != "run_id"}
            found.append(LiveCheck(run_id=name, **fields))
    return tuple(found)


def save_checks(folder: Path, checks: Sequence[LiveCheck]) -> Path:
    """Write ``live.json`` beside the plan."""
    document = {"schema_version": SCHEMA_VERSION, "checks": to_dict(list(checks))}
    return files.write_json(folder / FILE_NAME, document)


def add_checks(folder: Path, checks: Sequence[LiveCheck]) -> Path:
    """Add the checks of some runs to ``live.json``, in place of their earlier ones.

    Raises
    ------
    DataError
        When the file that is there is damaged.
    """
    names = {check.run_id for check in checks}
    return save_checks(folder, [*(old for old in load_checks(folder) if old.run_id not in names), *checks])


def load_checks(folder: Path) -> tuple[LiveCheck, ...]:
    """Read ``live.json``; nothing where it is absent.

    Raises
    ------
    DataError
        When it is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return ()
    document = files.read_json(path, "the live checks of a launch", SCHEMA_VERSION)
    try:
        return tuple(from_dict(LiveCheck, row, str(path)) for row in document["checks"])
    except (ConfigError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is damaged ({error}).", hint="delete it, or launch again") from None


def live_sentences(checks: Sequence[LiveCheck]) -> list[str]:
    """What the checks say, one sentence per run that had a band."""
    sentences = []
    for name in dict.fromkeys(check.run_id for check in checks):
        own = [check for check in checks if check.run_id == name]
        outside = [check for check in own if not check.inside]
        if not outside:
            sentences.append(f"While {name} ran, all checked losses ({len(own)}) lay in their bands.")
            continue
        first = outside[0]
        side = "above" if first.value > first.hi else "below"
        ended = {check.eval_set.removesuffix("/dense"): check.inside for check in own}
        back = "; all came back" if all(ended.values()) else ""
        sentences.append(
            f"While {name} ran, {len(outside)} of its {len(own)} checked losses lay outside their bands, the "
            f"first at step {first.step}: {first.eval_set} {first.value:.4f}, {side} {first.lo:.4f} to "
            f"{first.hi:.4f}{back}."
        )
    return sentences
