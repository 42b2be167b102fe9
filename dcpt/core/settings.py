"""Files that people write by hand: pydantic models that name the mistake and its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_quantity


class Settings(BaseModel):
    """Base of the user-written models: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _quantity(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        return value
    try:
        return parse_quantity(value)
    except ConfigError as error:
        # The place stands before it already.
        raise ConfigError(error.message.partition("; ")[2], error.hint) from None


Quantity = Annotated[float, BeforeValidator(_quantity)]
"""A number that may carry a magnitude letter: 0.25M, 7B."""

Model = TypeVar("Model", bound=BaseModel)


def validate(kind: type[Model], document: Mapping[str, Any], where: str) -> Model:
    """Build a settings model from parsed YAML or JSON.

    Parameters
    ----------
    kind : type
        The pydantic model.
    document : mapping
        The parsed file.
    where : str
        Name of the file, for the message.

    Raises
    ------
    ConfigError
        For the first mistake: the path of the key, what was found, what was wanted.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        found = error.errors()
        # A misspelt key comes with a missing one; the misspelling is what helps.
        first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(
            "."
        )
        others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        if first["type"] == "extra_forbidden":
            message, hint = f"unknown key {path!r}", _nearest(kind, first["loc"])
        elif first["type"] == "missing":
            message, hint = f"key {path!r} is missing", None
        else:
            cause = first.get("ctx", {}).get("error")
            hint = getattr(cause, "hint", None)
            wanted = getattr(cause, "message", None) or first["msg"].removeprefix("Value error, ")
            if first["type"] in ("tuple_type", "list_type"):
                wanted = _wanted_list(first["input"])
            message = (
                f"{path}: got {_short(first['input'])}; {wanted[:1].lower() + wanted[1:]}" if path else wanted
            )
        raise ConfigError(f"{where}: {message.rstrip('.')}{others}.", hint) from None


def _wanted_list(found: Any) -> str:
    """What to write instead of a single value where a list belongs."""
    if isinstance(found, float):
        return "wanted a list such as [0.1, 0.5]"
    return f"wanted a list such as [{found}]" if isinstance(found, (str, int)) else "wanted a list"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(kind: type[BaseModel], location: tuple[Any, ...]) -> str | None:
    import difflib

    known: set[str] = set()

    def gather(model: type[BaseModel], seen: set[type[BaseModel]]) -> None:
        if model in seen:
            return
        seen.add(model)
        for name, item in model.model_fields.items():
            known.add(name)
            for part in _models_in(item.annotation):
                gather(part, seen)

    gather(kind, set())
    match = difflib.get_close_matches(str(location[-1]), sorted(known), n=1)
    return f"did you mean {match[0]!r}?" if match else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
