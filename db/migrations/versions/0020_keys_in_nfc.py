"""Store the keys of users, projects and terms in Unicode's NFC, in which they are looked up."""

import logging
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PAGE = 10_000
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
QUESTIONS = sa.table(
    "onboarding_questions",
    sa.column("id", ID),
    sa.column("options", sa.JSON().with_variant(JSONB(), "postgresql")),
)
AFFECTED = {
    "users": "owner_id = :id",
    "projects": "id = :id",
    "terms": "id IN (SELECT project_id FROM project_terms WHERE term_id = :id)",
}
"""Condition of the projects whose cards contain the key, by table."""

log = logging.getLogger("db.migrations")


def upgrade() -> None:
    """Normalize each key whose normal form is free, log the others, and let the worker update the index."""
    for table in ("users", "projects"):
        for id_, _, key, normal in _unnormalized(table, "''"):
            if _rename(table, id_, key, normal) and table == "projects":
                _enqueue("project", key, normal)
    renamed_terms = {}
    for id_, kind, key, normal in _unnormalized("terms", "kind"):
        if _rename("terms", id_, key, normal):
            renamed_terms[kind, key] = normal
            if kind == "tool":
                _enqueue("tool", key, normal)
    if renamed_terms:
        _rename_in_questions(renamed_terms)


def _unnormalized(table: str, kind: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield (id, kind, key, normal form) of the rows whose key is not in its normal form."""
    statement = sa.text(
        f"SELECT id, {kind} AS kind, key FROM {table} WHERE id > :after ORDER BY id LIMIT {PAGE}"  # noqa: S608 (constants)
    )
    after = 0
    while rows := op.get_bind().execute(statement, {"after": after}).all():
        for row in rows:
            normal = unicodedata.normalize("NFC", row.key)
            if normal != row.key:
                yield row.id, row.kind, row.key, normal
        after = rows[-1].id


def _rename(table: str, id_: int, key: str, normal: str) -> bool:
    """Give a row its normal key, and new versions to the projects that show it. Return False if the key is taken."""
    same_kind = "AND other.kind = terms.kind" if table == "terms" else ""
    update = sa.text(
        f"UPDATE {table} SET key = :normal WHERE id = :id"  # noqa: S608 (constants)
        f" AND NOT EXISTS (SELECT 1 FROM {table} AS other WHERE other.key = :normal {same_kind})"
    )
    if not op.get_bind().execute(update, {"id": id_, "normal": normal}).rowcount:
        log.warning(
            "%s: the key %a stays, because its normal form (NFC) belongs to another row; delete one of the two in SQL",
            table,
            key,
        )
        return False
    renew = sa.text(f"UPDATE projects SET updated_at = :now WHERE {AFFECTED[table]}")  # noqa: S608 (constants)
    op.get_bind().execute(renew.bindparams(sa.bindparam("now", datetime.now(UTC), TIME)), {"id": id_})
    return True


def _enqueue(kind: str, *keys: str) -> None:
    """Enqueue the old key, whose document is removed, and the new one."""
    insert = sa.text(
        "INSERT INTO outbox (kind, key, enqueued_at, available_at) VALUES (:kind, :key, :now, :now)"
        " ON CONFLICT (kind, key) DO NOTHING"
    )
    insert = insert.bindparams(sa.bindparam("now", datetime.now(UTC), TIME))
    op.get_bind().execute(insert, [{"kind": kind, "key": key} for key in keys])


def _rename_in_questions(renamed_terms: dict[tuple[str, str], str]) -> None:
    connection = op.get_bind()
    for id_, options in connection.execute(sa.select(QUESTIONS.c.id, QUESTIONS.c.options)).all():
        terms = [option["term"] for option in options if option.get("term")]
        renamed = [term for term in terms if (term["kind"], term["key"]) in renamed_terms]
        for term in renamed:
            term["key"] = renamed_terms[term["kind"], term["key"]]
        if renamed:
            connection.execute(QUESTIONS.update().where(QUESTIONS.c.id == id_).values(options=options))
