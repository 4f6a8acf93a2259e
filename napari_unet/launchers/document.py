"""The base of what is kept in JSON files about servers: checked as a whole, and never changed."""

from __future__ import annotations

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from training.errors import UserError


class Document(BaseModel):
    """A JSON object with known fields of known types; a UserError names the wrong one."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return check(values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            name = ".".join(map(str, problem["loc"])) or cls.__name__
            found = "" if problem["type"] == "missing" else f" is {problem['input']!r:.99}"
            raise UserError(f"{name}{found}: {problem['msg']}.") from error

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some fields changed; a UserError if a value is wrong."""
        return type(self)(**{**dict(self), **changes})
