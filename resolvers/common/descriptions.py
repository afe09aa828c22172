"""Descriptions of the graph from docstrings and annotations."""

import re
import sys
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, TypeVar, dataclass_transform

import strawberry

from resolvers.common import enums  # noqa: F401 (publishes the enums that fields and arguments name)
from resolvers.common.compat import complete_definition

T = TypeVar("T", bound=type)

_CONSTANT = re.compile(r"\{(_?[A-Z][A-Z_]+)(?::([^}]*))?\}")


def description_of(documented: Any) -> str:
    """Return a docstring as one paragraph, with `{CONSTANT}` replaced by the value of that module constant."""
    constants: Mapping[str, Any] = vars(sys.modules[documented.__module__])
    text = " ".join(cleandoc(documented.__doc__ or "").split())
    return _CONSTANT.sub(lambda match: format(constants[match[1]], match[2] or ""), text)


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def object_type(class_: T) -> T:
    """Make a class a GraphQL type, described by its docstring; `Annotated[str, "…"]` describes a field."""
    return strawberry.type(_with_fields(class_), description=description_of(class_))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def input_type(class_: T, *, name: str | None = None, one_of: bool = False) -> T:
    """Make a class a GraphQL input, as `object_type` does. The default None means an optional field."""
    return strawberry.input(_with_fields(class_), name=name, one_of=one_of, description=description_of(class_))


def _with_fields(class_: T) -> T:
    annotations = class_.__annotations__
    for name, hint in annotations.items():
        description = getattr(hint, "__metadata__", (None,))[0]
        if isinstance(description, str):
            annotations[name] = hint.__origin__
            default = {"default": vars(class_)[name]} if name in vars(class_) else {}
            field = strawberry.field(description=description, **default)
            setattr(class_, name, complete_definition(field))
    return class_
