"""Dataclasses as plain JSON values, and back: what is unknown, missing or mistyped is refused."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from dcpt.core.errors import ConfigError

_PLAIN = (str, int, float, bool, type(None))


def to_dict(spec: Any) -> Any:
    """A spec as plain JSON values."""
    if type(spec) in _PLAIN:
        return spec
    if dataclasses.is_dataclass(spec) and not isinstance(spec, type):
        return {name: to_dict(getattr(spec, name)) for name in _fields(type(spec))}
    if isinstance(spec, Mapping):
        return {str(key): to_dict(value) for key, value in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [to_dict(value) for value in spec]
    return spec


Spec = TypeVar("Spec")


def from_dict(kind: type[Spec], document: Any, where: str) -> Spec:
    """Build a spec from plain JSON values; unknown, missing or mistyped fields are refused.

    Parameters
    ----------
    kind : type
        The dataclass to build.
    document : object
        Parsed JSON.
    where : str
        File or place named in the error message.

    Raises
    ------
    ConfigError
        Naming the field, what was found and what was wanted.
    """
    return typing.cast(Spec, _build(kind, document, where))


# A sweep reads and writes thousands of specs of the same few kinds.
@functools.cache
def _fields(kind: type) -> dict[str, dataclasses.Field[Any]]:
    return {item.name: item for item in dataclasses.fields(kind)}


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: got {value!r}; wanted the fields of a {kind.__name__}.")
        hints, known = _hints(kind), _fields(kind)
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise ConfigError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(known)}.")
        for name, item in known.items():
            required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            if required and name not in value:
                raise ConfigError(f"{where}: field {name!r} is missing.")
        return kind(**{name: _build(hints[name], value[name], f"{where}.{name}") for name in value})
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _build(next(a for a in arguments if a is not type(None)), value, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: got {value!r}; wanted one of {', '.join(map(str, arguments))}.")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: got {value!r}; wanted a list.")
        kinds = arguments if arguments[-1] is not Ellipsis else arguments[:1] * len(value)
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: got {value!r}; wanted {len(kinds)} values.")
        pairs = enumerate(zip(kinds, value, strict=True))
        return tuple(_build(wanted, item, f"{where}[{index}]") for index, (wanted, item) in pairs)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: got {value!r}; wanted a mapping.")
        return {str(key): _build(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: got {value!r}; wanted {kind.__name__}.")
