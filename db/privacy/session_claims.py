"""Claims of sessions: the data of an anonymous session is merged into the account and counted once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    ActorInterest,
    Dismissal,
    Engagement,
    Interaction,
    InteractionType,
    InterestSource,
    Like,
    OnboardingResponse,
    OutboxKind,
    Save,
    User,
    now,
)
from db.onboarding.answers import ONBOARDING_SETTING
from db.outbox import enqueue
from db.privacy.erasure import PERSONAL


class ClaimStatus(StrEnum):
    """Status of a claim: claimed now, already claimed for this account, or claimed for another account."""

    CLAIMED = "claimed"
    ALREADY = "already"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Claim:
    """Status of a claim, and the number of moved rows by table."""

    status: ClaimStatus
    moved_rows: Mapping[str, int]


CLAIM_DURATION = timedelta(hours=1)
"""Default of CLAIMED_SESSION_HOURS."""

_NOW = bindparam("now", type_=UtcDateTime())
_SESSION_ACTOR = bindparam("session", type_=BigIntId)
_ACCOUNT_ACTOR = bindparam("account", type_=BigIntId)
_LOCK = (
    select(Actor.id, Actor.user_id, Actor.merged_into, Actor.settings)
    .where(Actor.id.in_([_SESSION_ACTOR, _ACCOUNT_ACTOR]))
    .order_by(Actor.id)
    .with_for_update(key_share=True)
)
_MERGE = (
    update(Actor)
    .where(Actor.id == _SESSION_ACTOR)
    .values(
        merged_into=_ACCOUNT_ACTOR,
        version=Actor.version + 1,
        claim_ends_at=func.coalesce(Actor.claim_ends_at, bindparam("ends_at", type_=UtcDateTime())),
    )
)
_UPDATE_ACCOUNT = (
    update(Actor)
    .where(Actor.id == _ACCOUNT_ACTOR)
    .values(version=Actor.version + 1, settings=bindparam("merged", type_=Json))
)

_STATED_SOURCES = (InterestSource.MANUAL.value, InterestSource.QUIZ.value)


def _exists_in_account(table: Table) -> ColumnElement[bool]:
    """Return the condition that the account has a row with the same unique key as a row of the session."""
    other = table.alias("other")
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    same_keys = [
        select(other.c.actor_id)
        .where(other.c.actor_id == _ACCOUNT_ACTOR, *(other.c[c.name] == c for c in key.columns if c.name != "actor_id"))
        .exists()
        for key in (table.primary_key, *unique)
        if any(column.name == "actor_id" for column in key.columns)
    ]
    return or_(false(), *same_keys)


def _move(table: Table) -> Any:
    return (
        update(table)
        .where(table.c.actor_id == _SESSION_ACTOR, ~_exists_in_account(table))
        .values(actor_id=_ACCOUNT_ACTOR)
    )


_MOVE = {table.name: _move(table) for table in PERSONAL}
_DROP = {table.name: delete(table).where(table.c.actor_id == _SESSION_ACTOR) for table in PERSONAL}

_session_engagement = table_of(Engagement).alias("session_engagement")
_BOTH_ENGAGED = (
    select(
        Engagement.project_id, Engagement.first_at, Engagement.last_at, Engagement.kinds, Engagement.weight,
        Engagement.strength,
        Engagement.inactive_kinds.bitwise_or(_session_engagement.c.inactive_kinds).label("inactive_kinds"),
        _session_engagement.c.first_at.label("session_first_at"),
        _session_engagement.c.last_at.label("session_last_at"),
        _session_engagement.c.kinds.label("session_kinds"), _session_engagement.c.weight.label("session_weight"),
        _session_engagement.c.strength.label("session_strength"),
    )
    .join(_session_engagement, _session_engagement.c.project_id == Engagement.project_id)
    .where(Engagement.actor_id == _ACCOUNT_ACTOR, _session_engagement.c.actor_id == _SESSION_ACTOR)
)  # fmt: skip
_UPSERT_ENGAGEMENT = upsert_batch(
    Engagement, "actor_id", "project_id", "first_at", "last_at", "kinds", "weight", "strength", "inactive_kinds",
    key=["actor_id", "project_id"],
)  # fmt: skip
_account_like = table_of(Like).alias("account_like")
_account_likes_it = select(_account_like.c.actor_id).where(
    _account_like.c.project_id == Like.project_id, _account_like.c.actor_id == _ACCOUNT_ACTOR
)
_LIKED_IN_SESSION_ONLY = select(Like.project_id).where(Like.actor_id == _SESSION_ACTOR, ~_account_likes_it.exists())
_session_view = table_of(Interaction).alias("session_view")
_BOTH_VIEWED = (
    select(Interaction.project_id, func.count().label("views"))
    .join(
        _session_view,
        and_(
            *(_session_view.c[c.key] == c for c in (Interaction.project_id, Interaction.type, Interaction.at)),
            _session_view.c.actor_id == _SESSION_ACTOR,
        ),
    )
    .where(Interaction.actor_id == _ACCOUNT_ACTOR, Interaction.type == InteractionType.VIEW.value)
    .group_by(Interaction.project_id)
)


def _use_earlier_time(model: Any) -> Any:
    """Return an update of the states that both actors have. The account's row gets the earlier time."""
    table = table_of(model)
    other = table.alias("session_state")
    same = and_(other.c.project_id == table.c.project_id, other.c.actor_id == _SESSION_ACTOR)
    earlier = select(other.c.created_at).where(same, other.c.created_at < table.c.created_at)
    return (
        update(table)
        .where(table.c.actor_id == _ACCOUNT_ACTOR, earlier.exists())
        .values(created_at=earlier.scalar_subquery())
    )


_USE_EARLIER_TIMES = [_use_earlier_time(model) for model in (Like, Save, Dismissal)]

# An interest stated in the session replaces a learned or imported interest of the account.
_session_interest = table_of(ActorInterest).alias("session_interest")
_DELETE_OVERRIDDEN_INTERESTS = delete(ActorInterest).where(
    ActorInterest.actor_id == _ACCOUNT_ACTOR,
    ActorInterest.source.not_in(_STATED_SOURCES),
    select(_session_interest.c.term_id)
    .where(
        _session_interest.c.actor_id == _SESSION_ACTOR,
        _session_interest.c.term_id == ActorInterest.term_id,
        _session_interest.c.source.in_(_STATED_SOURCES),
    )
    .exists(),
)
_session_answer = table_of(OnboardingResponse).alias("session_answer")
_DELETE_OUTDATED_ANSWERS = (
    delete(OnboardingResponse)
    .where(
        OnboardingResponse.actor_id == _ACCOUNT_ACTOR,
        select(_session_answer.c.id)
        .where(
            _session_answer.c.actor_id == _SESSION_ACTOR,
            _session_answer.c.question_id == OnboardingResponse.question_id,
            _session_answer.c.updated_at > OnboardingResponse.updated_at,
        )
        .exists(),
    )
    .returning(OnboardingResponse.id)
)


_END_CLAIMS = update(Actor).where(Actor.claim_ends_at > _NOW).values(claim_ends_at=_NOW)
_ACCOUNT = select(Actor.id).join(User, User.id == Actor.user_id).where(User.key == bindparam("user_key"))
_END_ACCOUNT_CLAIMS = _END_CLAIMS.where(Actor.merged_into.in_(_ACCOUNT))
_END_SESSION_CLAIM = _END_CLAIMS.where(Actor.session_key == bindparam("key"))


async def end_claims_of(connection: AsyncConnection, user_key: str) -> int:
    """End all claims of the user's account; return the number of ended claims."""
    return (await connection.execute(_END_ACCOUNT_CLAIMS, {"user_key": user_key, "now": now()})).rowcount


async def end_claim(connection: AsyncConnection, session_key: str) -> int:
    """End the claim of a session id; return 1 if it was claimed, otherwise 0."""
    return (await connection.execute(_END_SESSION_CLAIM, {"key": session_key, "now": now()})).rowcount


async def claim(
    connection: AsyncConnection, session_actor: int, account_actor: int, duration: timedelta = CLAIM_DURATION
) -> Claim:
    """Merge a session into an account, in a constant number of statements.

    Requests with the session id act as the account for `duration`; a second claim does not extend it. Data of both
    actors is counted once: of two likes the earlier is kept, of two answers to a question the later. An interest stated
    in the session replaces a learned interest of the account. The account's settings take precedence, except that
    onboarding answers of the session are kept if they are newer. A repeated claim moves data stored since the first
    claim.
    """
    ids = {"session": session_actor, "account": account_actor}
    actors = {row.id: row for row in await connection.execute(_LOCK, ids)}
    session, account = actors[session_actor], actors[account_actor]
    if session_actor == account_actor:
        return Claim(ClaimStatus.ALREADY, {})
    if session.user_id is not None or session.merged_into not in (None, account_actor):
        return Claim(ClaimStatus.FOREIGN, {})
    await _merge_common_engagement(connection, ids)
    for statement in (*_USE_EARLIER_TIMES, _DELETE_OVERRIDDEN_INTERESTS):
        await connection.execute(statement, ids)
    has_newer_answers = (await connection.execute(_DELETE_OUTDATED_ANSWERS, ids)).first() is not None
    moved_rows: Counter[str] = Counter()
    for table in PERSONAL:
        moved_rows[table.name] = (await connection.execute(_MOVE[table.name], ids)).rowcount
        await connection.execute(_DROP[table.name], ids)
    status = ClaimStatus.CLAIMED if session.merged_into is None else ClaimStatus.ALREADY
    if status is ClaimStatus.CLAIMED or moved_rows.total():
        await connection.execute(_MERGE, ids | {"ends_at": now() + duration})
        settings = {**session.settings, **account.settings}
        if has_newer_answers and ONBOARDING_SETTING in session.settings:
            settings[ONBOARDING_SETTING] = session.settings[ONBOARDING_SETTING]
        await connection.execute(_UPDATE_ACCOUNT, ids | {"merged": settings})
        await enqueue(connection, OutboxKind.PROFILE, [str(session_actor), str(account_actor)], urgent=True)
    return Claim(status, {name: rows for name, rows in moved_rows.items() if rows})


async def _merge_common_engagement(connection: AsyncConnection, ids: Mapping[str, int]) -> None:
    """Merge engagements that both actors have, and count views, likes and the actor of both once."""
    both_engaged = (await connection.execute(_BOTH_ENGAGED, ids)).all()
    newly_liked = set(await connection.scalars(_LIKED_IN_SESSION_ONLY, ids))
    both_viewed = {row.project_id: row.views for row in await connection.execute(_BOTH_VIEWED, ids)}
    await lock_projects(connection, {row.project_id for row in both_engaged} | newly_liked | both_viewed.keys())
    changes = {
        id_: ProjectCounts(int(id_ in newly_liked), -both_viewed.get(id_, 0))
        for id_ in newly_liked | both_viewed.keys()
    }
    await add_counts(connection, changes)
    rows, corrections = [], []
    for row in both_engaged:
        last_at, kinds = max(row.last_at, row.session_last_at), row.kinds | row.session_kinds
        first_at, weight, strength = _merged_first_engagement(row)
        rows.append((ids["account"], row.project_id, first_at, last_at, kinds, weight, strength, row.inactive_kinds))
        corrections += [
            FirstEngagement(row.project_id, row.session_first_at, -row.session_weight * bool(row.session_kinds)),
            FirstEngagement(row.project_id, row.first_at, -row.weight * bool(row.kinds)),
            FirstEngagement(row.project_id, first_at, weight * bool(kinds)),
        ]
    await add_first_engagements(connection, corrections)
    if rows:
        await connection.execute(_UPSERT_ENGAGEMENT, {"rows": sorted(rows)})


def _merged_first_engagement(row: Any) -> tuple[datetime, float, float]:
    """Return time, weight and strength of the first engagement of both actors.

    A row whose types are no longer configured is not counted, so the other row's values apply.
    """
    if not row.kinds and row.session_kinds:
        return row.session_first_at, row.session_weight, row.session_strength
    if row.kinds and not row.session_kinds:
        return row.first_at, row.weight, row.strength
    strength = max(row.strength, row.session_strength)
    return min(row.first_at, row.session_first_at), row.weight * strength / row.strength, strength
