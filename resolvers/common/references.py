"""References to objects by either `key` or `id`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import strawberry

from db.models import MuteKind, TermKind
from resolvers.common.errors import RequestError
from resolvers.common.global_ids import parse_global_id

ProjectKey = Annotated[str | None, "The `key` of the project. Give either `key` or `id`."]
ProjectId = Annotated[strawberry.ID | None, "The `id` of the project."]


class InvalidReference(RequestError):
    """An invalid reference, with its path in the arguments of a mutation."""

    def __init__(self, message: str, argument: str, code: str = "BAD_USER_INPUT") -> None:
        super().__init__(message, code)
        self.argument_path: tuple[str | int, ...] = (argument,)


@contextmanager
def path_prefix(*prefix: str | int) -> Iterator[None]:
    """Prepend steps to the path of an `InvalidReference` raised in the block."""
    try:
        yield
    except InvalidReference as error:
        error.argument_path = (*prefix, *error.argument_path)
        raise


def key_of(type_: str, key: str | None, id_: str | None, key_name: str = "key", id_name: str = "id") -> str:
    """Return the key of the object to which two arguments refer, either by key or by id.

    Raises `InvalidReference` unless exactly one argument is set, or if the id is not of the type `type_`.
    """
    if (key is None) is (id_ is None):
        raise InvalidReference(f"Give either `{key_name}` or `{id_name}`.", key_name)
    return key if key is not None else _parse_id(id_, (type_,), id_name)[1]


def keys_of(type_: str, keys: Sequence[str] | None, ids: Sequence[strawberry.ID] | None) -> list[str]:
    """Return the keys given by either `keys` or `ids`.

    Raises `InvalidReference` unless exactly one argument is set, or if an id is not of the type `type_`.
    """
    if (keys is None) is (ids is None):
        raise InvalidReference("Give either `keys` or `ids`.", "keys")
    return list(keys) if keys is not None else [_parse_id(id_, (type_,), "ids")[1] for id_ in ids or ()]


_KINDS = {kind.capitalize(): kind for kind in TermKind}
_MUTE_KINDS = {"User": MuteKind.OWNER, "Project": MuteKind.PROJECT} | {
    type_: MuteKind(kind) for type_, kind in _KINDS.items()
}


def term_of(kind: TermKind | None, key: str | None, id_: strawberry.ID | None) -> tuple[TermKind, str]:
    """Return the kind and the key of a referenced tool, category or topic.

    Raises `InvalidReference` unless either `id` or both `kind` and `key` are set, or if the id has another type.
    """
    type_, key = _read_kind_and_key(kind, key, id_, tuple(_KINDS))
    return _KINDS[type_], key


def mute_subject_of(kind: MuteKind | None, key: str | None, id_: strawberry.ID | None) -> tuple[MuteKind, str]:
    """Return the kind and the key of a subject that can be muted. Raises as `term_of`."""
    type_, key = _read_kind_and_key(kind, key, id_, tuple(_MUTE_KINDS))
    return _MUTE_KINDS[type_], key


def _read_kind_and_key(
    kind: TermKind | MuteKind | None, key: str | None, id_: strawberry.ID | None, types: tuple[str, ...]
) -> tuple[str, str]:
    if id_ is not None and kind is None and key is None:
        return _parse_id(id_, types, "id")
    if id_ is not None or kind is None or key is None:
        raise InvalidReference("Give either `id`, or `kind` and `key`.", "id")
    return next(type_ for type_ in types if _MUTE_KINDS[type_].value == kind.value), key


def _parse_id(id_: str | None, types: tuple[str, ...], argument: str) -> tuple[str, str]:
    try:
        global_id = parse_global_id(id_ or "")
    except RequestError as error:
        raise InvalidReference(error.message, argument, "BAD_ID") from None
    if global_id.type not in types:
        expected = " or ".join([", ".join(types[:-1]), types[-1]] if len(types) > 1 else types)
        raise InvalidReference(
            f"This is the id of a {global_id.type}; give the id of a {expected}.", argument, "BAD_ID"
        )
    return global_id.type, global_id.key
