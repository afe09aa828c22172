"""Data of one viewer for a ranking, in one statement: interests, engagement, dismissals, mutes and impressions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Float, Text, cast, func, literal, null, select, union_all
from sqlalchemy.orm import aliased

from db.actors.profiles import StoredInterest
from db.database.column_types import ACTOR_ID, SINCE, BigIntId, micros
from db.database.engine import Database
from db.models import (
    ActorInterest,
    CustomInteractionType,
    Dismissal,
    Engagement,
    Interaction,
    InteractionType,
    Mute,
    Term,
    TermKind,
)
from db.time_units import time_of

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ViewerState:
    """A viewer's own data: interests by descending confidence, engaged projects from the latest on, and the rest.

    `engaged_kinds` holds `EngagementKind` bits. `dismissed` lists the latest dismissed projects first. `disliked` lists
    them together with those of negative interactions of custom types.
    """

    interests: tuple[StoredInterest, ...]
    engaged: Ids
    engaged_kinds: Ids
    engaged_at_us: Ids  # Unix microseconds of the last engagement
    dismissed: tuple[int, ...]
    disliked: tuple[int, ...]
    muted_terms: frozenset[int]
    muted_owners: frozenset[int]
    muted_seeds: frozenset[int]  # projects that are not used as evidence
    impressions: Mapping[int, int]  # by project id


_NO_IDS: Ids = np.empty(0, np.int64)
NO_STATE = ViewerState((), _NO_IDS, _NO_IDS, _NO_IDS, (), (), frozenset(), frozenset(), frozenset(), {})
"""The data of a viewer without an actor."""


def _part(name: str, id_: Any, number: Any, at: Any, confidence: Any = None, texts: tuple[Any, ...] = ()) -> Any:
    """Return a part of the statement: rows of the same columns for each part."""
    text = [cast(column, Text) for column in (*texts, *(null(),) * (4 - len(texts)))]
    real = cast(null() if confidence is None else confidence, Float(53))
    return select(
        literal(name, Text).label("part"),
        cast(id_, BigIntId).label("id"),
        cast(number, BigIntId).label("number"),
        cast(null() if at is None else micros(at), BigIntId).label("at_us"),
        real.label("confidence"),
        *(column.label(f"text_{index}") for index, column in enumerate(text)),
    )


_later = aliased(Interaction)
NEGATIVE_INTERACTIONS = (
    select(Interaction.project_id, Interaction.at)
    .join(CustomInteractionType, CustomInteractionType.name == Interaction.type)
    .where(
        Interaction.actor_id == ACTOR_ID,
        CustomInteractionType.is_active,
        CustomInteractionType.negative_to.is_not(None),
        func.coalesce(Interaction.value, 0.0) <= CustomInteractionType.negative_to,
        ~select(_later.at)
        .where(
            _later.actor_id == Interaction.actor_id,
            _later.project_id == Interaction.project_id,
            _later.type == Interaction.type,
            _later.at > Interaction.at,
        )
        .exists(),
    )
)
"""Projects and times of an actor's negative interactions. Of several of one type with a project, the last counts."""

_PARTS = (
    _part(
        "interest",
        ActorInterest.term_id,
        literal(0),
        ActorInterest.created_at,
        ActorInterest.confidence,
        (Term.kind, Term.key, Term.name, ActorInterest.source),
    )
    .join(Term, Term.id == ActorInterest.term_id)
    .where(ActorInterest.actor_id == ACTOR_ID),
    _part("engaged", Engagement.project_id, Engagement.kinds, Engagement.last_at).where(
        Engagement.actor_id == ACTOR_ID
    ),
    _part("dismissed", Dismissal.project_id, literal(0), Dismissal.created_at).where(Dismissal.actor_id == ACTOR_ID),
    _part("muted term", Mute.term_id, literal(0), None).where(Mute.actor_id == ACTOR_ID, Mute.term_id.is_not(None)),
    _part("muted owner", Mute.owner_id, literal(0), None).where(Mute.actor_id == ACTOR_ID, Mute.owner_id.is_not(None)),
    _part("muted seed", Mute.seed_id, literal(0), None).where(Mute.actor_id == ACTOR_ID, Mute.seed_id.is_not(None)),
    _part("shown", Interaction.project_id, func.count(), None)
    .where(
        Interaction.actor_id == ACTOR_ID,
        Interaction.type == InteractionType.IMPRESSION.value,
        Interaction.at >= SINCE,
    )
    .group_by(Interaction.project_id),
)
_STATE = union_all(*_PARTS)
_negative = NEGATIVE_INTERACTIONS.subquery("negative")
_STATE_WITH_NEGATIVE = union_all(*_PARTS, _part("negative", _negative.c.project_id, literal(0), _negative.c.at))


async def read_viewer_state(
    database: Database, actor_id: int, impressions_since: datetime, *, with_custom_types: bool = False
) -> ViewerState:
    """Read a viewer's own data, in one statement; `with_custom_types`, also negative interactions of these types."""
    statement = _STATE_WITH_NEGATIVE if with_custom_types else _STATE
    rows = await database.fetch(statement, {"actor": actor_id, "since": impressions_since})
    parts: dict[str, list[Any]] = {}
    for row in rows:
        parts.setdefault(row[0], []).append(row)
    interests = sorted(parts.get("interest", ()), key=lambda row: (-row[4], row[1]))
    engaged = sorted(parts.get("engaged", ()), key=lambda row: (row[3], row[1]), reverse=True)
    dismissed = parts.get("dismissed", [])

    def latest_first(part: Iterable[Any]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(row[1] for row in sorted(part, key=lambda row: (row[3], row[1]), reverse=True)))

    def ids(part: str) -> frozenset[int]:
        return frozenset(row[1] for row in parts.get(part, ()))

    return ViewerState(
        interests=tuple(
            StoredInterest(row[1], TermKind(row[5]), row[6], row[7], row[4], row[8], time_of(row[3]))
            for row in interests
        ),
        engaged=np.array([row[1] for row in engaged], np.int64),
        engaged_kinds=np.array([row[2] for row in engaged], np.int64),
        engaged_at_us=np.array([row[3] for row in engaged], np.int64),
        dismissed=latest_first(dismissed),
        disliked=latest_first([*dismissed, *parts.get("negative", ())]),
        muted_terms=ids("muted term"),
        muted_owners=ids("muted owner"),
        muted_seeds=ids("muted seed"),
        impressions={row[1]: row[2] for row in parts.get("shown", ())},
    )
