"""YAML as people expect it: 1e-4 is a number, `no` is a word, keys stand once, no objects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from dcpt.core.errors import ConfigError


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML comes without types
    """Safe loader with the scalars of YAML 1.2's core schema."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (dict, list)):
            raise yaml.constructor.ConstructorError(
                None, None, "a key is a list or a mapping; wanted a word", key_node.start_mark
            )
        if key in result:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice", key_node.start_mark
            )
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Raises
    ------
    ConfigError
        When the file is absent, not UTF-8, not YAML, repeats a key or is not a mapping.
    """
    path = Path(path)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except (IsADirectoryError, NotADirectoryError):
        raise ConfigError(f"{path}: is not a file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}).") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{place}: is not valid YAML: {getattr(error, 'problem', error)}.") from None
    except ValueError as error:  # a tag such as !!int on a word, or a number of thousands of digits
        raise ConfigError(f"{path}: holds a value that cannot be read: {error}.") from None
    if document is None:
        raise ConfigError(f"{path}: is empty; wanted a mapping of keys to values.")
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds {type(document).__name__}; wanted a mapping of keys to values.")
    return document
