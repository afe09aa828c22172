"""Claims of sessions: what a visitor did before signing in is merged into the account, and counts once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Table, UniqueConstraint, and_, bindparam, delete, false, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from db.database.batches import table_of, upsert_batch
from db.database.column_types import BigIntId, Json, UtcDateTime
from db.interactions.decayed_counters import FirstEngagement, add_first_engagements
from db.interactions.project_counters import ProjectCounts, add_counts, lock_projects
from db.models import (
    Actor,
    Dismissal,
    Engagement,
    Interaction,
    InteractionType,
    Like,
    OnboardingResponse,
    OutboxKind,
    Save,
    TagSource,
    User,
    UserTag,
    now,
)
from db.onboarding.answers import ONBOARDING_SETTING
from db.outbox import enqueue
from db.privacy.erasure import PERSONAL


class ClaimStatus(StrEnum):
    """Outcome of a claim."""

    CLAIMED = "claimed"
    ALREADY = "already"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Claim:
    """Outcome of a claim, and the number of rows of each table that it moved."""

    status: ClaimStatus
    carried: Mapping[str, int]


CLAIM_LIFE = timedelta(hours=1)
"""Default of CLAIMED_SESSION_HOURS."""

_NOW = bindparam("now", type_=UtcDateTime())
_FROM = bindparam("session", type_=BigIntId)
_TO = bindparam("account", type_=BigIntId)
_LOCK = (
    select(Actor.id, Actor.user_id, Actor.merged_into, Actor.settings)
    .where(Actor.id.in_([_FROM, _TO]))
    .order_by(Actor.id)
    .with_for_update(key_share=True)
)
_MERGE = (
    update(Actor)
    .where(Actor.id == _FROM)
    .values(
        merged_into=_TO,
        version=Actor.version + 1,
        claim_ends_at=func.coalesce(Actor.claim_ends_at, bindparam("ends_at", type_=UtcDateTime())),
    )
)
_UPDATE_ACCOUNT = (
    update(Actor).where(Actor.id == _TO).values(version=Actor.version + 1, settings=bindparam("merged", type_=Json))
)

_STATED = (TagSource.MANUAL.value, TagSource.QUIZ.value)


def _clashes(table: Table) -> ColumnElement[bool]:
    """Return the condition that the account already has a row with the unique key of a row of the session."""
    other = table.alias("other")
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    found = [
        select(other.c.actor_id)
        .where(other.c.actor_id == _TO, *(other.c[c.name] == c for c in key.columns if c.name != "actor_id"))
        .exists()
        for key in (table.primary_key, *unique)
        if any(column.name == "actor_id" for column in key.columns)
    ]
    return or_(false(), *found)


def _carry(table: Table) -> Any:
    return update(table).where(table.c.actor_id == _FROM, ~_clashes(table)).values(actor_id=_TO)


_CARRY = {table.name: _carry(table) for table in PERSONAL}
_DROP = {table.name: delete(table).where(table.c.actor_id == _FROM) for table in PERSONAL}

_mine, _theirs = table_of(Engagement).alias("mine"), table_of(Engagement).alias("theirs")
_BOTH_ENGAGED = (
    select(
        _mine.c.project_id, _mine.c.first_at, _mine.c.last_at, _mine.c.kinds, _mine.c.weight,
        _theirs.c.first_at.label("session_first_at"), _theirs.c.last_at.label("session_last_at"),
        _theirs.c.kinds.label("session_kinds"), _theirs.c.weight.label("session_weight"),
    )
    .join(_theirs, and_(_theirs.c.project_id == _mine.c.project_id, _theirs.c.actor_id == _FROM))
    .where(_mine.c.actor_id == _TO)
)  # fmt: skip
_ENGAGE = upsert_batch(
    Engagement, "actor_id", "project_id", "first_at", "last_at", "kinds", "weight", key=["actor_id", "project_id"],
    keep=["weight"],
)  # fmt: skip
_like = table_of(Like).alias("theirs")
_BOTH_LIKED = select(Like.project_id).join(_like, _like.c.project_id == Like.project_id).where(
    Like.actor_id == _TO, _like.c.actor_id == _FROM
)  # fmt: skip
_view = table_of(Interaction).alias("theirs")
_BOTH_VIEWED = (
    select(Interaction.project_id, func.count().label("views"))
    .join(
        _view,
        and_(
            *(_view.c[c.key] == c for c in (Interaction.project_id, Interaction.type, Interaction.at)),
            _view.c.actor_id == _FROM,
        ),
    )
    .where(Interaction.actor_id == _TO, Interaction.type == InteractionType.VIEW.value)
    .group_by(Interaction.project_id)
)


def _since_earlier(model: Any) -> Any:
    """Move the account's states that both have to the earlier of the two times."""
    table = table_of(model)
    other = table.alias("theirs")
    same = and_(other.c.project_id == table.c.project_id, other.c.actor_id == _FROM)
    earlier = select(other.c.created_at).where(same, other.c.created_at < table.c.created_at)
    return update(table).where(table.c.actor_id == _TO, earlier.exists()).values(created_at=earlier.scalar_subquery())


_SINCE_EARLIER = [_since_earlier(model) for model in (Like, Save, Dismissal)]

# An interest stated in the session wins over a learned or imported one of the account.
_stated = table_of(UserTag).alias("stated")
_OVERRIDDEN = delete(UserTag).where(
    UserTag.actor_id == _TO,
    UserTag.source.not_in(_STATED),
    select(_stated.c.term_id)
    .where(_stated.c.actor_id == _FROM, _stated.c.term_id == UserTag.term_id, _stated.c.source.in_(_STATED))
    .exists(),
)
_newer = table_of(OnboardingResponse).alias("newer")
_OUTDATED = (
    delete(OnboardingResponse)
    .where(
        OnboardingResponse.actor_id == _TO,
        select(_newer.c.id)
        .where(
            _newer.c.actor_id == _FROM,
            _newer.c.question_id == OnboardingResponse.question_id,
            _newer.c.updated_at > OnboardingResponse.updated_at,
        )
        .exists(),
    )
    .returning(OnboardingResponse.id)
)


_END = update(Actor).where(Actor.claim_ends_at > _NOW).values(claim_ends_at=_NOW)
_ACCOUNT = select(Actor.id).join(User, User.id == Actor.user_id).where(User.key == bindparam("user_key"))
_END_OF_ACCOUNT = _END.where(Actor.merged_into.in_(_ACCOUNT))
_END_OF_SESSION = _END.where(Actor.session_key == bindparam("key"))


async def end_claims_of(connection: AsyncConnection, user_key: str) -> int:
    """End all claims of a user's account; return the number of ended ones."""
    return (await connection.execute(_END_OF_ACCOUNT, {"user_key": user_key, "now": now()})).rowcount


async def end_claim(connection: AsyncConnection, session_key: str) -> int:
    """End the claim of a session id; return 1 if there was one, else 0."""
    return (await connection.execute(_END_OF_SESSION, {"key": session_key, "now": now()})).rowcount


async def claim(
    connection: AsyncConnection, session_actor: int, account_actor: int, life: timedelta = CLAIM_LIFE
) -> Claim:
    """Merge a session into an account, in a constant number of statements.

    The session's id stands for the account for `life` from then on; a second claim does not extend that. Of two likes
    the earlier counts, and counters count one actor. Of two answers to a question the later counts; an interest stated
    in the session replaces a learned one. Repeated and concurrent claims move what the session did in between.
    """
    ids = {"session": session_actor, "account": account_actor}
    actors = {row.id: row for row in await connection.execute(_LOCK, ids)}
    session, account = actors[session_actor], actors[account_actor]
    if session_actor == account_actor:
        return Claim(ClaimStatus.ALREADY, {})
    if session.user_id is not None or session.merged_into not in (None, account_actor):
        return Claim(ClaimStatus.FOREIGN, {})
    await _count_once(connection, ids)
    for statement in (*_SINCE_EARLIER, _OVERRIDDEN):
        await connection.execute(statement, ids)
    is_newer = (await connection.execute(_OUTDATED, ids)).first() is not None
    carried: Counter[str] = Counter()
    for table in PERSONAL:
        carried[table.name] = (await connection.execute(_CARRY[table.name], ids)).rowcount
        await connection.execute(_DROP[table.name], ids)
    status = ClaimStatus.CLAIMED if session.merged_into is None else ClaimStatus.ALREADY
    if status is ClaimStatus.CLAIMED or carried.total():
        await connection.execute(_MERGE, ids | {"ends_at": now() + life})
        await connection.execute(
            _UPDATE_ACCOUNT, ids | {"merged": _merged(session.settings, account.settings, is_newer)}
        )
        await enqueue(connection, OutboxKind.PROFILE, [str(session_actor), str(account_actor)], urgent=True)
    return Claim(status, {name: rows for name, rows in carried.items() if rows})


def _merged(session: Mapping[str, Any], account: Mapping[str, Any], is_newer: bool) -> dict[str, Any]:
    """Merge settings: the account's first, except that the session's newer onboarding answers win."""
    merged = {**session, **account}
    return merged | (
        {ONBOARDING_SETTING: session[ONBOARDING_SETTING]} if is_newer and ONBOARDING_SETTING in session else {}
    )


async def _count_once(connection: AsyncConnection, ids: Mapping[str, int]) -> None:
    """Merge engagements of both actors, and subtract the second like, view and actor from counters."""
    engaged = (await connection.execute(_BOTH_ENGAGED, ids)).all()
    liked = list(await connection.scalars(_BOTH_LIKED, ids))
    viewed = {row.project_id: row.views for row in await connection.execute(_BOTH_VIEWED, ids)}
    await lock_projects(connection, {row.project_id for row in engaged} | {*liked} | viewed.keys())
    moves = {id_: ProjectCounts(-(id_ in liked), -viewed.get(id_, 0)) for id_ in {*liked} | viewed.keys()}
    await add_counts(connection, moves)
    await add_first_engagements(connection, _corrections(engaged))
    rows = []
    for row in engaged:
        first_at, last_at = min(row.first_at, row.session_first_at), max(row.last_at, row.session_last_at)
        kinds = row.kinds | row.session_kinds
        rows.append((ids["account"], row.project_id, first_at, last_at, kinds, row.weight))
    if rows:
        await connection.execute(_ENGAGE, {"rows": sorted(rows)})


def _corrections(engaged: Sequence[Any]) -> Iterable[FirstEngagement]:
    """Yield the corrections: the session's engagement out, the account's moved to the earlier time, with its weight."""
    for row in engaged:
        yield FirstEngagement(row.project_id, row.session_first_at, -row.session_weight)
        if row.session_first_at < row.first_at:
            yield FirstEngagement(row.project_id, row.first_at, -row.weight)
            yield FirstEngagement(row.project_id, row.session_first_at, row.weight)
