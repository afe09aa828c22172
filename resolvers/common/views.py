"""GraphQL types whose fields are read from one object of the lower layers, the row.

The executor builds responses from the rows. It makes instances of these types only for fields that graphql-core
resolves.
"""

from collections.abc import Callable, Hashable
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, Self, TypeVar

from strawberry.types.field import StrawberryField

from resolvers.common.compat import fields_of, value_class
from resolvers.common.descriptions import object_type

T = TypeVar("T", bound=type)

ReadRow = Callable[[Any], Any]
"""A function from a row to the value of a field. The value is a leaf value, a row of another view, or a list of such
rows."""


class NotRead(Exception):
    """A row lacks the data of a field, because its page was read without that data."""


class View:
    """Base of the types whose instances have one attribute, the row."""

    row: Any
    row_readers: ClassVar[dict[str, ReadRow]] = {}
    """The readers of the fields without a resolver, by Python name."""
    is_constant: ClassVar[bool] = False
    """Whether the view has a few rows only, which never change."""
    live_fields: ClassVar[frozenset[str]] = frozenset()
    """Python names of the fields whose value may change while `content_key` stays the same."""

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return the instance of a row."""
        instance = cls.__new__(cls)
        instance.row = row
        return instance

    @classmethod
    def class_of(cls, _row: Any) -> type[Self]:
        """Return the class of a row's instance; an interface has several."""
        return cls

    @staticmethod
    def content_key(_row: Any) -> Hashable:
        """Return a key that changes whenever a field other than a live field changes; None if there is no such key."""
        return None


def view_type(**paths: str | ReadRow) -> Callable[[T], T]:
    """Make a subclass of `View` a GraphQL type, as `object_type` does.

    A field without a resolver is the row's attribute of the same name. `paths` has the exceptions: for the Python name
    of a field, the path of another attribute, or a function of the row.
    """

    def decorate(class_: T) -> T:
        view: Any = object_type(class_)
        view.row_readers = {}
        for field in fields_of(view):
            if field.base_resolver is None:
                path = paths.get(field.python_name, field.python_name)
                read = attrgetter(path) if isinstance(path, str) else path
                view.row_readers[field.python_name] = read
                setattr(view, field.python_name, _RowAttribute(field, read))
        return class_

    return decorate


class _RowAttribute:
    """Descriptor of a field of a view's instance."""

    def __init__(self, field: StrawberryField, read: ReadRow) -> None:
        self._field, self._read = field, read

    @cached_property
    def _class(self) -> type | None:
        return value_class(self._field)

    def __get__(self, instance: View | None, _owner: type) -> Any:
        return self if instance is None else instances(self._class, self._read(instance.row))


def instances(class_: type | None, value: Any) -> Any:
    """Return the instances of one or several rows of a view; a value of another class unchanged."""
    if value is None or class_ is None or not issubclass(class_, View):
        return value
    if type(value) is list or type(value) is tuple:
        return [class_.class_of(row).of(row) for row in value]
    return class_.class_of(value).of(value)
