"""A platform's own types of interactions, for example `watched` with a number of seconds.

The settings configure them. The database holds a copy, for statements that compute with them, and gives each type a
bit of `Engagement.kinds`. A type that is no longer configured keeps its bit: `synchronize_custom_types` moves the bit
of all engagement to `Engagement.inactive_kinds`, and back when the type is configured again. No ranking reads these
bits.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, TypedDict

from sqlalchemy import Update, delete, insert, select, text, update

from db.database.engine import Database
from db.errors import InvalidRecord
from db.models import (
    CUSTOM_TYPES_OF_EACH_KIND,
    DELIBERATE_KINDS,
    ENGAGEMENT_BIT,
    FIRST_CUSTOM_BIT,
    CustomInteractionType,
    Engagement,
    InteractionType,
)

VIEW_WEIGHT, LIKE_WEIGHT = 1.0, 2.0
"""Weights of views and clicks, and of likes, saves, comments and follows, in learned interests."""

_BUILT_IN = 2**FIRST_CUSTOM_BIT - 1
_BUILT_IN_DELIBERATE = int(DELIBERATE_KINDS) & _BUILT_IN

MAX_VALUE = 1e12
"""Maximum absolute value of an interaction."""


class Effect(StrEnum):
    """Effects of an interaction on rankings: engagement, dislike, or none."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CustomType:
    """A configured type of interaction.

    An interaction is positive from the value `positive_from` on, and negative up to `negative_to`. A type without
    `minimum` and `maximum` takes no value; its interactions count as 0.
    """

    name: str
    label: str  # past tense, for "which you …"
    weight: float = 1.0  # 1 is a view, 2 is a like
    is_deliberate: bool = False  # whether the viewer expressed an intention, so that it is no view for privacy settings
    minimum: float | None = None
    maximum: float | None = None
    positive_from: float | None = 0.0
    negative_to: float | None = None
    bit: int = 0  # number of the bit in `Engagement.kinds`; 0 if the database is not involved

    @property
    def kind(self) -> int:
        """The type as a bit of `Engagement.kinds`."""
        return 1 << self.bit

    def effect(self, value: float | None) -> Effect:
        """Return the effect of an interaction with this value."""
        number = value or 0.0
        if self.positive_from is not None and number >= self.positive_from:
            return Effect.POSITIVE
        return Effect.NEGATIVE if self.negative_to is not None and number <= self.negative_to else Effect.NONE

    def value_fault(self, value: float | None) -> str | None:
        """Return why an interaction of this type cannot have this value, or None."""
        if self.minimum is None or self.maximum is None:
            return None if value is None else f"must be omitted, because {self.name!r} has no value"
        expected = f"a number from {self.minimum:g} to {self.maximum:g}, because {self.name!r} has a value"
        if value is None:
            return f"is missing; it must be {expected}"
        if not (math.isfinite(value) and self.minimum <= value <= self.maximum):
            return f"is {value:g}; it must be {expected}"
        return None


class _Attributes(TypedDict, total=False):
    value: float | None
    custom_kind: int
    strength: float


@dataclass(frozen=True, slots=True)
class CustomTypes:
    """The configured types by name."""

    by_name: Mapping[str, CustomType] = field(default_factory=dict)

    def __iter__(self) -> Iterator[CustomType]:
        return iter(self.by_name.values())

    @property
    def have_negative(self) -> bool:
        """Whether an interaction of any type can be negative."""
        return any(type_.negative_to is not None for type_ in self)

    def engages(self, type_: str, value: float | None) -> bool:
        """Return whether an interaction of a built-in or configured type counts as engagement."""
        custom = self.by_name.get(type_)
        return type_ in ENGAGEMENT_BIT if custom is None else custom.effect(value) is Effect.POSITIVE

    def attributes(self, type_: str, value: float | None) -> _Attributes:
        """Return the attributes of a `NewInteraction` that depend on the configured types."""
        custom = self.by_name.get(type_)
        if custom is None:
            return {}
        is_engaging = custom.effect(value) is Effect.POSITIVE
        return {"value": value, "custom_kind": custom.kind * is_engaging, "strength": min(custom.weight, 1.0)}

    def strongest(self, kinds: int) -> CustomType | None:
        """Return the type of highest weight among the bits of `Engagement.kinds`; None without a configured type."""
        return max((t for t in self if kinds & t.kind), key=lambda t: (t.weight, t.name), default=None)

    def weight(self, kinds: int) -> float:
        """Return the weight of the strongest interaction among the bits of `Engagement.kinds`."""
        weights = [LIKE_WEIGHT] if kinds & _BUILT_IN_DELIBERATE else [VIEW_WEIGHT] if kinds & _BUILT_IN else []
        weights += [type_.weight for type_ in self if kinds & type_.kind]
        return max(weights, default=VIEW_WEIGHT)

    def history_weight(self, kinds: int) -> float:
        """Return the weight of a project of the history with these bits; all built-in types weigh the same."""
        custom = self.strongest(kinds)
        built_in = VIEW_WEIGHT if kinds & _BUILT_IN or custom is None else 0.0
        return built_in if custom is None else max(custom.weight, built_in)

    def type_fault(self, type_: str) -> str | None:
        """Return why there is no type of this name, or None."""
        known = [*InteractionType, *self.by_name]
        return None if type_ in known else f"is {type_!r:.80}; the known types are {', '.join(known)}"

    def value_fault(self, type_: str, value: float | None) -> str | None:
        """Return why an interaction of a known type cannot have this value, or None."""
        if (custom := self.by_name.get(type_)) is not None:
            return custom.value_fault(value)
        return None if value is None else f"must be omitted, because {str(type_)!r} has no value"


NO_CUSTOM_TYPES = CustomTypes()


class _StoredType(NamedTuple):
    """A row of `CustomInteractionType`."""

    name: str
    bit: int
    is_active: bool
    weight: float
    positive_from: float | None
    negative_to: float | None

    @property
    def place(self) -> tuple[str, int]:
        """The column of `Engagement` that holds the type's engagement, and the bit as a number."""
        is_counted = self.is_active and self.positive_from is not None
        return "kinds" if is_counted else "inactive_kinds", 1 << self.bit


_STORED = select(*(getattr(CustomInteractionType, name) for name in _StoredType._fields))
_LOCK = text("LOCK TABLE custom_interaction_types, engagement IN SHARE ROW EXCLUSIVE MODE")


async def synchronize_custom_types(
    database: Database, configured: Sequence[CustomType], *, keeps_others: bool = False
) -> CustomTypes:
    """Store the configured types, and return them with their bits. Without a change, this takes one read.

    Engagement of types that are no longer configured, or no longer positive, becomes inactive; engagement of types that
    are configured again becomes active. With `keeps_others`, types that are not configured stay as they are.

    Raises `InvalidRecord` if too many types change their kind at once.
    """
    stored = await stored_types(database)
    renewed = _renewed(configured, stored, keeps_others)
    if renewed != stored:
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.execute(_LOCK)
            stored = {row.name: _StoredType(*row) for row in await connection.execute(_STORED)}
            renewed = _renewed(configured, stored, keeps_others)
            # First the types whose bits others take over.
            for name in sorted(stored, key=lambda name: (name in renewed, name)):
                old, new = stored[name], renewed.get(name)
                if new is None or new.place != old.place:
                    await connection.execute(_move(old, new))
            await connection.execute(delete(CustomInteractionType))
            if renewed:
                await connection.execute(insert(CustomInteractionType), [row._asdict() for row in renewed.values()])
    return CustomTypes({type_.name: replace(type_, bit=renewed[type_.name].bit) for type_ in configured})


async def stored_types(database: Database) -> dict[str, _StoredType]:
    """Read the types in the database, configured or not, by name."""
    return {row.name: _StoredType(*row) for row in await database.fetch(_STORED)}


def _renewed(
    configured: Sequence[CustomType], stored: Mapping[str, _StoredType], keeps_others: bool
) -> dict[str, _StoredType]:
    """Return the rows for a configuration. A new type takes a free bit, or that of a type that is not configured."""
    renewed = {name: row._replace(is_active=keeps_others and row.is_active) for name, row in stored.items()}
    names = {type_.name for type_ in configured}
    taken = {row.bit for row in stored.values()}
    for type_ in configured:
        first_bit = FIRST_CUSTOM_BIT + type_.is_deliberate * CUSTOM_TYPES_OF_EACH_KIND
        bits = range(first_bit, first_bit + CUSTOM_TYPES_OF_EACH_KIND)
        bit = stored[type_.name].bit if type_.name in stored else -1
        if bit not in bits:
            bit = min(set(bits) - taken, default=-1)
            if bit < 0:
                unused = sorted(
                    row.name
                    for row in renewed.values()
                    if row.bit in bits and row.name not in names and not row.is_active
                )
                if not unused:
                    raise InvalidRecord(f"no place is free for the type {type_.name}; start once without it")
                bit = renewed.pop(unused[0]).bit
            taken.add(bit)
        renewed[type_.name] = _StoredType(type_.name, bit, True, type_.weight, type_.positive_from, type_.negative_to)
    return renewed


def _move(old: _StoredType, new: _StoredType | None) -> Update:
    """Return an update that moves the engagement of a type to its new place; None removes it."""
    (source, bit), (target, new_bit) = old.place, ("kinds", 0) if new is None else new.place
    columns = {name: getattr(Engagement, name) for name in (source, target)}
    values = {target: columns[target].bitwise_or(new_bit)}
    remaining = columns[source].bitwise_and(~bit)
    values[source] = remaining.bitwise_or(new_bit) if source == target else remaining
    return update(Engagement).where(columns[source].bitwise_and(bit) > 0).values(values)
