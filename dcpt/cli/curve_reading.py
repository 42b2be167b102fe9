"""What a command is told about curves: flags to rows, histories and what is written beside the fits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.core.schedule import Schedule
    from dcpt.core.schedule_joined import JoinedSchedule
    from dcpt.fit.loss_curves.curve_rows import CurveRows
    from dcpt.ingest.reading import Reading

AUTO_CURVE = "auto-curve"
"""Name of --law that compares laws of curves and keeps the best."""


def speaks_of_curves(names: Sequence[str] | None) -> bool:
    """Whether the laws that were named are laws of curves.

    Raises
    ------
    ConfigError
        When some are and some are not, or a misspelt one is nearest to a law of curves.
    """
    if not names:
        return False
    kinds = {name: _is_curve_law(name) for name in names}
    if len(set(kinds.values())) > 1:
        one, other = (next(name for name, kind in kinds.items() if kind is flag) for flag in (True, False))
        raise ConfigError(
            f"--law {one} is a law of loss curves and {other} one of final losses; wanted laws of one kind.",
            hint="fit them one after the other; both fits fit into one folder",
        )
    return next(iter(kinds.values()))


def _is_curve_law(name: str) -> bool:
    from dcpt.cli.curve_out_of_domain import OUT_OF_DOMAIN
    from dcpt.laws.registry import get_law, list_laws

    if name in (AUTO_CURVE, OUT_OF_DOMAIN):
        return True
    try:
        get_law(name)
    except ConfigError:
        pass
    else:
        return False
    from dcpt.laws.curves.registry import get_curve_law, list_curve_laws

    try:
        get_curve_law(name)
    except ConfigError:
        curves, others = ([law.name for law in laws] for laws in (list_curve_laws(), list_laws()))
        near = difflib.get_close_matches(name, [*curves, *others], n=1)
        if name.startswith("cpt-dynamics") or (near and near[0] in curves):
            raise
        return False
    return True


def read_schedule_text(text: str, flag: str) -> Schedule | JoinedSchedule:
    """A schedule as text, or the name of a CSV file of steps and rates.

    Raises
    ------
    ConfigError
        When the text is none; the message names the flag.
    """
    from dcpt.core.schedule_table import read_schedule
    from dcpt.core.schedule_text import parse_schedule

    if text.endswith(".csv"):
        return read_schedule(Path(text))
    try:
        return parse_schedule(text)
    except ConfigError as error:
        raise ConfigError(f"{flag}: {error.message}", hint=error.hint) from None


def base_schedule_of(text: str | None) -> Schedule | None:
    """The schedule of pre-training behind --base-schedule."""
    from dcpt.core.schedule import Schedule

    if text is None:
        return None
    found = read_schedule_text(text, "--base-schedule")
    if not isinstance(found, Schedule):
        raise ConfigError("--base-schedule: got two parts joined by |; wanted that of pre-training alone.")
    return found


def eval_sets_of(rows: CurveRows, eval_sets: Sequence[str], side: str | None) -> tuple[list[str], list[str]]:
    """Evaluation sets to fit, and notes on sets that were taken for a side.

    Raises
    ------
    ConfigError
        When a set is not there, or both sets and a side are named.
    """
    from dcpt.core.symbols import DENSE, ROLES
    from dcpt.fit.loss_curves.curve_rows import set_for_side, sides_of

    if eval_sets:
        if side is not None:
            raise ConfigError("--side and --eval-set both say what to fit; wanted one of them.")
        for name in eval_sets:
            if name not in rows.eval_sets:
                near = difflib.get_close_matches(name, rows.eval_sets, n=1)
                raise ConfigError(
                    f"--eval-set {name}: is not there; found {', '.join(rows.eval_sets)}.",
                    hint=f"did you mean {near[0]!r}?" if near else None,
                )
        return list(dict.fromkeys(eval_sets)), []
    if side is not None and side not in ROLES:
        raise ConfigError(f"--side {side}: wanted {' or '.join(ROLES)}.")
    sides = [side] if side is not None else list(sides_of(rows))
    if not sides:  # sets whose side nothing says, and needs to say
        return list(rows.eval_sets), []
    chosen = [set_for_side(rows, name, DENSE) for name in sides]
    return [name for name, _ in chosen], [note for _, note in chosen if note]


def laws_by_set(
    rows: CurveRows, eval_sets: Sequence[str], laws: Sequence[str], said: bool
) -> tuple[dict[str, list[str]], list[str]]:
    """Evaluation set to the laws that are for its side, and notes on sets that none is for.

    Parameters
    ----------
    rows : CurveRows
        The rows.
    eval_sets, laws : sequence of str
        Names.
    said : bool
        Whether the sets were named by a flag, so that none may be left out.

    Raises
    ------
    ConfigError
        When a law is for none of the sets, or a set that was named has no law.
    """
    from dcpt.core.symbols import ROLES
    from dcpt.laws.curves.registry import get_curve_law

    if AUTO_CURVE in laws:
        return {name: list(laws) for name in eval_sets}, []
    kinds = [get_curve_law(name) for name in laws]
    found: dict[str, list[str]] = {}
    notes = []
    for name in eval_sets:
        role = str(rows.frame.loc[rows.frame["eval_set"] == name, "role"].iloc[0])
        # A set whose side is not known is refused, where it matters, with a word on how to tell it.
        own = [law.name for law in kinds if role not in ROLES or role in law.sides]
        if own:
            found[name] = own
        elif said and len(eval_sets) > 1:
            raise ConfigError(
                f"{name} is of the {role} side; none of the laws ({', '.join(laws)}) is for it."
            )
        else:
            notes.append(f"{name} is of the {role} side; none of the laws is for it, and it is not fitted.")
    for law in kinds:
        if not any(law.name in own for own in found.values()):
            raise ConfigError(
                f"law {law.name} is for the {' and the '.join(law.sides)} loss; to be fitted are "
                f"{', '.join(eval_sets)}."
            )
    return found, notes


def provenance_of_curves(
    path: Path, rows: CurveRows, reading: Reading, said: Mapping[str, Any]
) -> dict[str, Any]:
    """What fits of curves were made from: hashes of the files, how they were read, what the flags said."""
    from dcpt.core.files import content_hash, file_hash
    from dcpt.ingest.reading import Reading as Plain

    names = sorted(set(rows.frame["file"]))
    hashes = {name: file_hash(path / name if path.is_dir() else path) for name in names}
    found: dict[str, Any] = {
        "file": path.name,
        "sha256": hashes[names[0]] if not path.is_dir() else content_hash(hashes, 64),
        "rows": len(rows.frame),
        "dropped": dict(rows.dropped),
    }
    if reading != Plain():
        found["reading"] = reading.to_dict()
    said = {name: value for name, value in said.items() if value is not None}
    return {"input": found, **({"said": said} if said else {})}
