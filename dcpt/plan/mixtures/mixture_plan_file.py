"""A plan of a mixture as a JSON file and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.plan.mixtures.mixture_plan import SCHEMA_VERSION, MixturePlan
from dcpt.plan.mixtures.question import MixtureQuestion

_AGAIN = "make the plan again"


def mixture_plan_to_dict(plan: MixturePlan) -> dict[str, Any]:
    """Plain JSON values of a plan."""
    names = [item.name for item in fields(MixturePlan) if item.name != "question"]
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "mixture plan",
        "question": plan.question.model_dump(mode="json", exclude_none=True),
        "mixture": plan.mixture,
        **{name: to_dict(getattr(plan, name)) for name in names},
    }


def read_mixture_plan(path: Path | str) -> MixturePlan:
    """Read a plan that `MixturePlan.write` wrote.

    Raises
    ------
    DataError
        When the file is absent, of another version, or does not hold such a plan.
    """
    document = files.read_json(path, "a plan of a mixture", SCHEMA_VERSION)
    return mixture_plan_from_dict(document, str(path))


def mixture_plan_from_dict(document: Mapping[str, Any], where: str) -> MixturePlan:
    """Build a plan from the values of `mixture_plan_to_dict`.

    Raises
    ------
    DataError
        When a field is missing, unknown or of the wrong type.
    """
    plain = {
        name: value for name, value in document.items() if name not in ("schema_version", "kind", "mixture")
    }
    try:
        question = MixtureQuestion.of(plain.pop("question"), f"{where}.question")
        return from_dict(MixturePlan, {**plain, "question": question}, where)
    except KeyError:
        raise DataError(f"{where}: field 'question' is missing.", hint=_AGAIN) from None
    except (ConfigError, TypeError, ValueError) as error:
        message = error.message if isinstance(error, ConfigError) else f"{where}: {error}."
        raise DataError(message, hint=_AGAIN) from None
