"""YAML as people expect it, and mistakes in it that are named with their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.settings import Quantity, Settings, validate
from dcpt.core.strict_yaml import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), ("+1.5e3", 1500.0), (".5", 0.5), ("5.", 5.0), ("-3", -3),
        ("010", 10), ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("true", True),
        ("null", None), ("~", None), ("", None), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"), ("0x10", "0x10"), (".inf", ".inf"), ("'1e-4'", "1e-4"), ("7B", "7B"),
        ("[1, 1e-1, no]", [1, 0.1, "no"]), ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)  # fmt: skip
def test_scalars(tmp_path: Path, text: str, value: Any) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"key: {text}\n")
    found = read_yaml(path)["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"a: 1\nb: 2\na: 3\n", "line 3, column 1: is not valid YAML: key 'a' stands twice"),
        (b"a:\n  b: 1\n  b: 2\n", "line 3, column 3: is not valid YAML: key 'b' stands twice"),
        (b"[1]: 2\n", "line 1, column 1: is not valid YAML: a key is a list or a mapping"),
        (b"a: [1\n", "is not valid YAML"),
        (b"a: !!python/object:os.system x\n", "line 1, column 4: is not valid YAML: could not determine"),
        (b"a: !!int x\n", "holds a value that cannot be read"),
        (b"a: " + b"9" * 5000, "holds a value that cannot be read"),
        (b"a: \xff\n", "is not UTF-8 text (invalid start byte at byte 3)"),
        (b"a: \x00\n", "is not valid YAML"),
        (b"", "is empty; wanted a mapping"),
        (b"- 1\n", "holds list; wanted a mapping"),
        (b"a: 1\n---\nb: 2\n", "is not valid YAML"),
    ],
)
def test_what_is_no_mapping(tmp_path: Path, content: bytes, wanted: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_yaml(path)
    assert str(refused.value).startswith(str(path))
    assert wanted in str(refused.value)


def test_absent_files(tmp_path: Path) -> None:
    for path, wanted in ((tmp_path / "a.yaml", "no such file"), (tmp_path, "is not a file")):
        with pytest.raises(ConfigError, match=wanted):
            read_yaml(path)


class Inner(Settings):
    width: int = 1


class Outer(Settings):
    tokens: Quantity
    inner: tuple[Inner, ...] = ()
    ratios: tuple[float, ...] = ()


@pytest.mark.parametrize(
    ("document", "message", "hint"),
    [
        ({}, "f: key 'tokens' is missing.", None),
        ({"tokens": "x"}, "f: tokens: got 'x'; wanted a number such as 7B, 1.3M or 20e9.", "magnitudes are"),
        ({"tokens": True}, "f: tokens: got True; wanted a number such as 7B or 1.3M.", None),
        ({"tokens": 1, "inner": [{"widht": 2}]}, "f: unknown key 'inner[0].widht'.", "did you mean 'width'?"),
        ({"tokens": 1, "zzzz": 2}, "f: unknown key 'zzzz'.", None),
        # The misspelt key explains the missing one.
        ({"token": 1}, "f: unknown key 'token' (and 1 more).", "did you mean 'tokens'?"),
        ({"tokens": 1, "ratios": 0.5}, "f: ratios: got 0.5; wanted a list such as [0.1, 0.5].", None),
        ({"tokens": 1, "ratios": "60k"}, "f: ratios: got '60k'; wanted a list such as [60k].", None),
        ({"tokens": 1, "inner": {}}, "f: inner: got {}; wanted a list.", None),
        ({"tokens": 1, "inner": [{"width": "a"}]}, "f: inner[0].width: got 'a'; input should be", None),
    ],
)
def test_the_first_mistake_is_named(document: dict[str, Any], message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as refused:
        validate(Outer, document, "f")
    assert refused.value.message.startswith(message)
    assert (refused.value.hint or "").startswith(hint or "")


def test_quantities_are_read(tmp_path: Path) -> None:
    assert validate(Outer, {"tokens": "1.3M"}, "f").tokens == 1.3e6
    assert validate(Outer, {"tokens": 5}, "f").tokens == 5.0
