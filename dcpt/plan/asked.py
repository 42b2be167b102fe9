"""Base of what is asked in Python or in files: its mistakes are told in our words, not in pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dcpt.core.settings import validate
from dcpt.core.strict_yaml import read_yaml


class Asked(BaseModel):
    """A frozen model without unknown fields, whose constructor raises ConfigError.

    Raises
    ------
    ConfigError
        For the first mistake: the field, what was found, what was wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    if not TYPE_CHECKING:  # type checkers keep the signature that the fields give

        def __init__(self, **fields: Any) -> None:
            try:
                self.__pydantic_validator__.validate_python(fields, self_instance=self)
            except ValidationError:
                validate(type(self), fields, type(self).__name__)
                raise

        # pydantic builds models of its own accord past a constructor that is marked as its own.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def of(cls, fields: Mapping[str, Any], where: str = "question") -> Self:
        """Build it from plain values.

        Raises
        ------
        ConfigError
            Naming the field, what was found and what was wanted.
        """
        return validate(cls, dict(fields), where)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read it from a YAML file with these fields.

        Raises
        ------
        ConfigError
            When the file is not a mapping of these fields.
        """
        return cls.of(read_yaml(path), str(path))
