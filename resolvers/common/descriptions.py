"""Docstrings as descriptions of the graph, so that each part is described once."""

import re
import sys
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, TypeVar, dataclass_transform

import strawberry

T = TypeVar("T", bound=type)

_CONSTANT = re.compile(r"\{(_?[A-Z][A-Z_]+)(?::([^}]*))?\}")


def description_of(documented: Any) -> str:
    """Return a docstring as one paragraph; `{CONSTANT}` stands for the value of a constant of the module."""
    constants: Mapping[str, Any] = vars(sys.modules[documented.__module__])
    text = " ".join(cleandoc(documented.__doc__ or "").split())
    return _CONSTANT.sub(lambda found: format(constants[found[1]], found[2] or ""), text)


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def object_type(class_: T) -> T:
    """Make a class a GraphQL type that its docstring describes."""
    return strawberry.type(class_, description=description_of(class_))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def input_type(class_: T) -> T:
    """Make a class a GraphQL input that its docstring describes."""
    return strawberry.input(class_, description=description_of(class_))
