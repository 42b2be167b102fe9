"""Schedules as one line of text: ``wsd(peak=0.001, steps=384, decay=77, shape=1-sqrt)``, and ``pre | cpt``.

The line is ``KIND(NAME=VALUE, ...)`` with the fields of `dcpt.core.schedule.Schedule`. Numbers are written
with every digit. What a person types may also give steps as a share of the run's (``decay=20%``) or with a
magnitude letter (``steps=24k``), and shares as percentages; a list stands in brackets
(``milestones=[80%, 90%]``), the knots of a table as ``[1:0.0003, 50:0.001, 384:0]``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_quantity
from dcpt.core.schedule import KINDS, USES, Schedule
from dcpt.core.schedule_joined import JoinedSchedule
from dcpt.core.schedule_shapes import COOLDOWNS, SHAPES

TWO_STAGE = "two-stage"
"""Another name for ``multi-step`` with one milestone."""

MOST_STEPS = 10**8
"""Longest schedule that is read: its rates are a number per step, here 0.8 GB of them."""

_JOIN = "|"
_CALL = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*\((.*)\)\s*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_STEPS = ("warmup", "decay", "cooldown", "anneal")
_SHARES = ("floor", "warmup_from", "plateau")
_WORDS = {"shape": SHAPES, "cooldown_shape": COOLDOWNS}
_SHOWN = {"wsd": ("decay", "shape"), "infinite": ("cooldown", "plateau", "decay")}


def schedule_text(schedule: Schedule) -> str:
    """One line that `parse_schedule` reads back.

    Fields that the kind has no use for are left out, and so are defaults.

    Examples
    --------
    >>> schedule_text(Schedule("wsd", 1e-3, 384, warmup=10, decay=77))
    'wsd(peak=0.001, steps=384, warmup=10, decay=77, shape=1-sqrt)'
    """
    parts = [] if schedule.kind == "table" else [f"peak={schedule.peak!r}", f"steps={schedule.steps}"]
    plain = Schedule("constant", schedule.peak, schedule.steps)
    shown = _SHOWN.get(schedule.kind, ())
    for name in USES[schedule.kind]:
        value = getattr(schedule, name)
        if name in shown or value != getattr(plain, name):
            parts.append(f"{name}={_spell(value)}")
    return f"{schedule.kind}({', '.join(parts)})"


def _spell(value: Any) -> str:
    if isinstance(value, tuple):
        cells = (f"{cell[0]}:{cell[1]!r}" if isinstance(cell, tuple) else repr(cell) for cell in value)
        return f"[{', '.join(cells)}]"
    return value if isinstance(value, str) else repr(value)


def parse_schedule(text: str) -> Schedule | JoinedSchedule:
    """Read a schedule, or pre-training and continual pre-training joined by ``|``.

    Parameters
    ----------
    text : str
        See the module.

    Returns
    -------
    Schedule or JoinedSchedule

    Raises
    ------
    ConfigError
        Naming the part that cannot be read, with the nearest known name.

    Examples
    --------
    >>> parse_schedule("cosine(peak=3e-4, steps=2000, warmup=50, floor=0.1)").rates()[-1]
    np.float64(3.0000017516...e-05)
    """
    parts = text.split(_JOIN)
    if len(parts) > 2:
        raise ConfigError(
            f"schedule: got {len(parts)} parts joined by {_JOIN}; wanted pre-training {_JOIN} CPT."
        )
    found = [_parse_one(part) for part in parts]
    return found[0] if len(found) == 1 else JoinedSchedule(*found)


def _parse_one(text: str) -> Schedule:
    call = _CALL.fullmatch(text)
    if call is None:
        raise ConfigError(
            f"schedule: got {_short(text)}; wanted KIND(NAME=VALUE, ...).",
            hint="such as wsd(peak=1e-3, steps=2000, warmup=50, decay=20%, shape=1-sqrt)",
        )
    kind, given = call[1], _split_pairs(call[2])
    if kind not in (*KINDS, TWO_STAGE):
        _refuse_name("schedule", kind, (*KINDS, TWO_STAGE))
    two_stage, kind = kind == TWO_STAGE, "multi-step" if kind == TWO_STAGE else kind
    known = (*(() if kind == "table" else ("peak", "steps")), *USES[kind])
    for name in given:
        if name not in known:
            _refuse_name(f"schedule: {kind}", name, known)
    for name in known[:2] if kind != "table" else ("knots",):
        if name not in given:
            raise ConfigError(f"schedule: {kind} has no {name}.", hint=f"give {name}=...")
    if kind == "table":
        fields = _table_fields(given)
    else:
        steps = _steps("steps", given["steps"], None)
        fields = {name: _value(name, value, steps) for name, value in given.items() if name != "steps"}
        fields["steps"] = steps
    if two_stage and len(fields.get("milestones", ())) != 1:
        raise ConfigError("schedule: two-stage steps down once; wanted one milestone and one factor.")
    return Schedule(kind, **fields)  # type: ignore[arg-type]


def _table_fields(given: dict[str, str]) -> dict[str, Any]:
    knots = []
    for cell in _cells("knots", given["knots"]):
        step, colon, rate = cell.partition(":")
        if not colon:
            raise ConfigError(f"schedule: knots: got {_short(cell)}; wanted STEP:RATE, such as 50:0.001.")
        knots.append((_steps("knots", step, None), _number("knots", rate)))
    if not knots:
        raise ConfigError("schedule: a table has no knots; wanted some, such as knots=[1:0.001, 384:0].")
    steps, peak = max(step for step, _ in knots), max(rate for _, rate in knots)
    rest = {name: _value(name, value, steps) for name, value in given.items() if name != "knots"}
    return {"peak": peak, "steps": steps, "knots": tuple(knots), **rest}


def _split_pairs(text: str) -> dict[str, str]:
    """``a=1, b=[2, 3]`` by its commas outside brackets."""
    pairs: dict[str, str] = {}
    parts = [part.strip() for part in re.split(r",(?![^\[]*\])", text)]
    for part in parts if parts != [""] else ():
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise ConfigError(f"schedule: got {_short(part)}; wanted NAME=VALUE.")
        if name in pairs:
            raise ConfigError(f"schedule: {name} stands twice.")
        pairs[name] = value
    return pairs


def _value(name: str, text: str, steps: int) -> Any:
    if name in _STEPS:
        return _steps(name, text, steps)
    if name == "milestones":
        return tuple(_steps(name, cell, steps) for cell in _cells(name, text))
    if name == "factors":
        return tuple(_share(name, cell) for cell in _cells(name, text))
    if name in _WORDS:
        if text not in _WORDS[name]:
            _refuse_name(f"schedule: {name}", text, _WORDS[name])
        return text
    return _share(name, text) if name in _SHARES else _number(name, text)


def _cells(name: str, text: str) -> list[str]:
    if not (text.startswith("[") and text.endswith("]")):
        raise ConfigError(f"schedule: {name}: got {_short(text)}; wanted a list in brackets.")
    inner = text[1:-1].strip()
    return [cell.strip() for cell in inner.split(",")] if inner else []


def _steps(name: str, text: str, steps: int | None) -> int:
    """Whole steps; a percentage is a share of the run's, of which there is one at least."""
    if text.endswith("%") and steps is not None:
        share = _share(name, text)
        return max(1, round(share * steps)) if share > 0 else 0
    value = parse_quantity(text, f"schedule: {name}")
    if not value <= MOST_STEPS:
        raise ConfigError(f"schedule: {name} is {text}; wanted at most {MOST_STEPS} steps.")
    if value != int(value):
        raise ConfigError(
            f"schedule: {name} is {text}; wanted a whole number of steps.", _share_hint(value, steps)
        )
    return int(value)


def _share_hint(value: float, steps: int | None) -> str | None:
    return (
        f"a share of the steps is written {100 * value:g}%" if steps is not None and 0 < value < 1 else None
    )


def _share(name: str, text: str) -> float:
    return _number(name, text[:-1]) / 100 if text.endswith("%") else _number(name, text)


def _number(name: str, text: str) -> float:
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ConfigError(f"schedule: {name}: got {_short(text)}; wanted a number such as 0.1 or 3e-4.")
    return float(text)


def _refuse_name(what: str, name: str, known: Iterable[str]) -> NoReturn:
    known = tuple(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else None
    raise ConfigError(f"{what}: unknown name {_short(name)}; known are {', '.join(known)}.", hint)


def _short(text: str) -> str:
    shown = repr(text.strip())
    return shown if len(shown) <= 60 else shown[:57] + "..."
