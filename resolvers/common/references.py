"""Arguments that name a thing by `key` or by `id`, exactly one of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, NamedTuple

import strawberry

from db.models import MuteKind, TermKind
from resolvers.common.errors import RequestError
from resolvers.common.global_ids import parse_global_id
from resolvers.common.optional_arguments import unset_to_none

ProjectKey = Annotated[
    str | None, strawberry.argument(description="The `key` of the project. Give either `key` or `id`.")
]
ProjectId = Annotated[strawberry.ID | None, strawberry.argument(description="The `id` of the project.")]


class InvalidReference(RequestError):
    """An argument, or a pair of arguments, that names nothing, with its path from the mutation's argument inwards."""

    def __init__(self, message: str, argument: str, code: str = "BAD_USER_INPUT") -> None:
        super().__init__(message, code)
        self.argument_path: tuple[str | int, ...] = (argument,)


@contextmanager
def path_prefix(*prefix: str | int) -> Iterator[None]:
    """Put these steps before the path of an `InvalidReference` that is raised within."""
    try:
        yield
    except InvalidReference as error:
        error.argument_path = (*prefix, *error.argument_path)
        raise


class Reference(NamedTuple):
    """The values and the names of a pair of arguments."""

    key: str | None
    id: strawberry.ID | None
    key_name: str = "key"
    id_name: str = "id"


def key_of(type_: str, reference: Reference) -> str:
    """Return the key of the thing of a type that a pair of arguments names.

    Raises `InvalidReference` if both are given or neither is, or if the id is of another type.
    """
    key, id_ = unset_to_none(reference.key), unset_to_none(reference.id)
    if (key is None) is (id_ is None):
        raise InvalidReference(f"Give either `{reference.key_name}` or `{reference.id_name}`.", reference.key_name)
    return key if key is not None else _parse(id_, (type_,), reference.id_name)[1]


def keys_of(type_: str, keys: Sequence[str] | None, ids: Sequence[strawberry.ID] | None) -> list[str]:
    """Return the keys of the things of a type that a pair of list arguments names.

    Raises `InvalidReference` if both are given or neither is, or if an id is of another type.
    """
    keys, ids = unset_to_none(keys), unset_to_none(ids)
    if (keys is None) is (ids is None):
        raise InvalidReference("Give either `keys` or `ids`.", "keys")
    return list(keys) if keys is not None else [_parse(id_, (type_,), "ids")[1] for id_ in ids or ()]


_KINDS = {kind.capitalize(): kind for kind in TermKind}
_MUTE_KINDS = {"User": MuteKind.OWNER, "Project": MuteKind.PROJECT} | {
    type_: MuteKind(kind.value) for type_, kind in _KINDS.items()
}


def term_of(kind: TermKind | None, key: str | None, id_: strawberry.ID | None) -> tuple[TermKind, str]:
    """Return the kind and the key of the tool, category or topic that a client names.

    Raises `InvalidReference` if neither `id` alone nor `kind` and `key` are given, or if the id is of another type.
    """
    type_, key = _kind_and_key(kind, key, id_, tuple(_KINDS))
    return _KINDS[type_], key


def mutable_of(kind: MuteKind | None, key: str | None, id_: strawberry.ID | None) -> tuple[MuteKind, str]:
    """Return the kind and the key of what a client mutes.

    Raises `InvalidReference` if neither `id` alone nor `kind` and `key` are given, or if the id is of another type.
    """
    type_, key = _kind_and_key(kind, key, id_, tuple(_MUTE_KINDS))
    return _MUTE_KINDS[type_], key


def _kind_and_key(
    kind: TermKind | MuteKind | None, key: str | None, id_: strawberry.ID | None, types: tuple[str, ...]
) -> tuple[str, str]:
    named, key, id_ = unset_to_none(kind), unset_to_none(key), unset_to_none(id_)
    if id_ is not None and named is None and key is None:
        return _parse(id_, types, "id")
    if id_ is not None or named is None or key is None:
        raise InvalidReference("Give either `id`, or `kind` and `key`.", "id")
    return next(type_ for type_ in types if _MUTE_KINDS[type_].value == named.value), key


def _parse(id_: str | None, types: tuple[str, ...], argument: str) -> tuple[str, str]:
    try:
        found = parse_global_id(id_ or "")
    except RequestError as error:
        raise InvalidReference(error.message, argument, "BAD_ID") from None
    if found.type not in types:
        wanted = " or ".join([", ".join(types[:-1]), types[-1]] if len(types) > 1 else types)
        raise InvalidReference(f"This is the id of a {found.type}; give the id of a {wanted}.", argument, "BAD_ID")
    return found.type, found.key
