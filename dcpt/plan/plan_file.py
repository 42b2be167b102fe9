"""A plan as JSON, of this schema version and of the one before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields, make_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.plan import front
from dcpt.plan.objective import Objective
from dcpt.plan.plan import CURVE_COLUMNS, SCHEMA_VERSION, Plan

_FRAMES = {"curve": CURVE_COLUMNS, "front": front.COLUMNS, "draws": ("r",), "by_size": ()}
"""Tables of a plan, and the columns that each must have."""

_AGAIN = "make the plan again"


LATER = ("D_cautious",)
"""Fields that came after the first files of this schema version: written only where they say something, so
that the fingerprint of an older plan stays."""

_HINTS = get_type_hints(Plan)
_PLAIN = tuple(item.name for item in fields(Plan) if item.name not in ("objective", *_FRAMES))
_Plain = make_dataclass("_Plain", [(name, _HINTS[name], field(default=None)) for name in _PLAIN])
"""The fields of a plan that are plain JSON values, for the strict reader."""


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """Plain JSON values of a plan; the numbers of its tables keep nine significant digits."""
    document: dict[str, Any] = {"objective": plan.objective.model_dump(mode="json")}
    plain = {name: to_dict(getattr(plan, name)) for name in _PLAIN}
    document |= {name: value for name, value in plain.items() if value is not None or name not in LATER}
    document |= {name: _columns(getattr(plan, name)) for name in _FRAMES}
    return document


def plan_from_dict(document: Mapping[str, Any], where: str) -> Plan:
    """Build a plan from the values of `plan_to_dict`.

    Raises
    ------
    DataError
        When a field is missing, unknown or of the wrong type.
    """
    expected = {"objective", *_FRAMES, *_PLAIN}
    odd = sorted(expected.symmetric_difference(document) - {*LATER})
    if odd:
        problem = "is missing" if odd[0] in expected else "is unknown"
        raise DataError(f"{where}: field {odd[0]!r} {problem}.", hint=_AGAIN)
    try:
        values: Any = from_dict(_Plain, {name: document[name] for name in _PLAIN if name in document}, where)
        frames = {name: _frame(document[name], names, f"{where}.{name}") for name, names in _FRAMES.items()}
        return Plan(
            objective=Objective.of(document["objective"], f"{where}.objective"),
            **frames,
            **{name: getattr(values, name) for name in _PLAIN},
        )
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
        message = error.message if isinstance(error, ConfigError) else f"{where}: {error!r}."
        raise DataError(message, hint=_AGAIN) from None


def read_plan(path: Path) -> Plan:
    """Read a plan file of either schema version.

    Raises
    ------
    DataError
        When the file is absent or is not a plan.
    """
    try:
        document = files.read_json(path, "a plan", SCHEMA_VERSION)
    except DataError as error:
        if "schema_version is 1;" not in error.message:
            raise
        return _from_version_1(files.read_json(path, "a plan", 1), str(path))
    document.pop("schema_version")
    return plan_from_dict(document, str(path))


def _from_version_1(document: dict[str, Any], where: str) -> Plan:
    """A plan with one limit, on the general side, and fixed size and tokens."""
    document.pop("schema_version")
    fingerprint = files.content_hash(document)
    try:
        objective = document["objective"]
        binds = document["binding"] == "ceiling"
        general = {
            "label": "general",
            "text": str(objective["keep"]),
            "ceiling": document.pop("ceiling"),
            "kept": document["kept_at_r"],
            "r_edge": None,
            "binds": binds,
        }
        base = document.pop("base")
        newer = {
            **document,
            "N": objective["N"],
            "D": objective["D"],
            "losses": {side: document[side] for side in ("general", "domain")},
            "limits": [general],
            "bases": {} if base is None else {"general": base},
            "bound": "general" if binds else "",
            "draws": {"r": document["r_draws"]},
            "front": {name: [] for name in front.COLUMNS},
            "by_size": {},
            "baselines": [],
            "intervals": {},
            "prices": [],
            "epochs": {},
            "older_fingerprint": fingerprint,
        }
        for name in ("general", "domain", "r_draws"):
            newer.pop(name)
    except (KeyError, TypeError) as error:
        name = error.args[0] if isinstance(error, KeyError) else "objective"
        raise DataError(f"{where}: field {name!r} is missing.", hint=_AGAIN) from None
    return plan_from_dict(newer, where)


def _columns(frame: pd.DataFrame) -> dict[str, list[float | None]]:
    return {str(name): [_digits(value) for value in frame[name].to_numpy(float)] for name in frame}


def _digits(value: float) -> float | None:
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _frame(columns: Any, names: tuple[str, ...], where: str) -> pd.DataFrame:
    if not isinstance(columns, Mapping):
        raise ConfigError(f"{where}: got {columns!r}; wanted columns of numbers.")
    missing = [name for name in names if name not in columns]
    if missing:
        raise ConfigError(f"{where}: column {missing[0]!r} is missing.")
    return pd.DataFrame({str(name): column for name, column in columns.items()}, dtype=float)
