"""Bulk upserts and removals of the platform's records."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors import users
from db.catalog import catalog_entries
from db.errors import InvalidRecord
from db.models import Role
from db.onboarding import questions
from db.onboarding.question_records import QuestionRecord
from db.records import CategoryRecord, ProjectRecord, Record, ToolRecord, UserRecord
from db.upsert_results import UpsertResult
from scoring.use_cases.input_errors import (
    InputError,
    InputRefused,
    UserErrorCode,
    record_error,
    refusal,
    too_many_error,
    validation_errors,
)
from scoring.use_cases.platform_keys import MAX_RECORDS, distinct_valid_keys
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_QUESTIONS = 50

R = TypeVar("R", bound=Record)
Item = Mapping[str, Any]
"""The fields of a record as sent, by name; always with a text under ``key``."""


class UpsertStatus(StrEnum):
    """Outcomes of sent records."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class UpsertedRecord:
    """The outcome of one sent record; with `errors` if it was refused."""

    key: str
    status: UpsertStatus
    errors: Sequence[InputError] = ()


async def upsert_projects(work: UnitOfWork, items: Sequence[Item]) -> list[UpsertedRecord]:
    """Add or replace up to `MAX_RECORDS` projects; an invalid record does not affect the others."""
    upsert = partial(catalog_entries.upsert_projects, embedding_space=work.stores.platform.embedding_space)
    return await _upsert(work, "projects", items, ProjectRecord, upsert)


async def upsert_tools(work: UnitOfWork, items: Sequence[Item]) -> list[UpsertedRecord]:
    """Add or replace tools, as `upsert_projects`."""
    return await _upsert(work, "tools", items, ToolRecord, catalog_entries.upsert_tools)


async def upsert_categories(work: UnitOfWork, items: Sequence[Item]) -> list[UpsertedRecord]:
    """Add or replace categories, as `upsert_projects`."""
    return await _upsert(work, "categories", items, CategoryRecord, catalog_entries.upsert_categories)


async def upsert_users(work: UnitOfWork, items: Sequence[Item]) -> list[UpsertedRecord]:
    """Add or replace users, as `upsert_projects`. Only administrators can appoint or demote administrators."""
    protected = await work.role() is not Role.ADMINISTRATOR
    upsert = partial(users.upsert_users, protected=protected)
    return await _upsert(work, "users", items, UserRecord, upsert, may_appoint_administrators=not protected)


async def upsert_questions(
    work: UnitOfWork, items: Sequence[Item], *, retire_others: bool = False
) -> list[UpsertedRecord]:
    """Add or replace onboarding questions, as `upsert_projects`, up to `MAX_QUESTIONS`.

    With `retire_others`, all other questions become inactive. A batch that makes too many questions active is refused.
    """
    upsert = partial(questions.upsert_questions, retire_others=retire_others)
    try:
        return await _upsert(
            work, "questions", items, QuestionRecord, upsert, max_items=MAX_QUESTIONS, write_if_empty=retire_others
        )
    except InvalidRecord as error:
        raise refusal(UserErrorCode.TOO_MANY, error.message, "questions") from None


async def _upsert(
    work: UnitOfWork,
    name: str,
    items: Sequence[Item],
    record_type: type[R],
    upsert: Callable[[AsyncConnection, Sequence[R]], Awaitable[UpsertResult]],
    *,
    max_items: int = MAX_RECORDS,
    may_appoint_administrators: bool = True,
    write_if_empty: bool = False,
) -> list[UpsertedRecord]:
    if len(items) > max_items:
        raise InputRefused(too_many_error(name, max_items))
    records: dict[int, R] = {}
    errors: dict[int, list[InputError]] = defaultdict(list)
    for index, item in enumerate(items):
        if item.get("role") is Role.ADMINISTRATOR and not may_appoint_administrators:
            message = "Only administrators can appoint administrators."
            errors[index].append(InputError(UserErrorCode.FORBIDDEN, message, (name, index, "role")))
            continue
        try:
            records[index] = record_type.model_validate(item)
        except ValidationError as error:
            errors[index] += validation_errors(error, name, index)
    result = UpsertResult()
    if records or write_if_empty:
        async with work.write(changes_catalog=True) as connection:
            result = await upsert(connection, list(records.values()))
    record_indexes = list(records)
    for refused_record in result.refused:
        index = record_indexes[refused_record.index]
        errors[index].append(record_error(refused_record.error, name, index))
    return _collect_outcomes(items, result, errors)


def _collect_outcomes(
    items: Sequence[Item], result: UpsertResult, errors: Mapping[int, Sequence[InputError]]
) -> list[UpsertedRecord]:
    """Return the outcome of each item.

    Of items with the same key, the last is written, and the others have the outcome unchanged.
    """
    last_indexes = {item["key"]: index for index, item in enumerate(items) if index not in errors}
    statuses = dict.fromkeys(result.added_keys, UpsertStatus.ADDED)
    statuses |= dict.fromkeys(result.changed_keys, UpsertStatus.CHANGED)
    outcomes = []
    for index, item in enumerate(items):
        status = UpsertStatus.REFUSED if index in errors else UpsertStatus.UNCHANGED
        if last_indexes.get(item["key"]) == index:
            status = statuses.get(item["key"], UpsertStatus.UNCHANGED)
        outcomes.append(UpsertedRecord(item["key"], status, errors.get(index, ())))
    return outcomes


async def remove_projects(work: UnitOfWork, keys: Sequence[str]) -> int:
    """Delete projects and all their data; return the number of deleted projects."""
    valid_keys = distinct_valid_keys(keys)
    if not valid_keys:
        return 0
    async with work.write(changes_catalog=True) as connection:
        return await catalog_entries.remove_projects(connection, valid_keys)
