"""Rename tables, columns and stored values as in the glossary, and drop neighbor lists that only evaluation read."""

from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COUNTERS = {
    "last_s": "as_of_s",
    "people_1h": "actors_1h",
    "people_6h": "actors_6h",
    "people_3d": "actors_3d",
    "people_14d": "actors_14d",
    "busy_1h": "active_1h",
    "busy_6h": "active_6h",
    "busy_36h": "active_36h",
    "busy_7d": "active_7d",
    "last_h": "as_of_active_h",
}
SIGNALS = {
    "people_1h": "actors_1h",
    "people_6h": "actors_6h",
    "people_3d": "actors_3d",
    "people_14d": "actors_14d",
    "people_15m": "actors_15m",
    "people_1d": "actors_1d",
    "people_lately_all": "recent_actors",
    "people_lately": "recent_popularity",
    "people_rate": "actor_rate",
    "people_of_hour": "trending_hour",
    "people_of_day": "trending_day",
    "people_of_week": "trending_week",
    "people_like_you": "user_neighbors",
    "events_since": "events_since_creation",
    "taste_of_people": "user_factors_mean",
    "taste_of_crowd": "user_factors_sum",
    "taste_now": "user_factors_recent",
    "taste_of_project": "item_factors",
    "taste_of_owner": "owner_factors",
    "circle_of_people": "taste_cluster_mean",
    "circle_of_crowd": "taste_cluster_sum",
    "circle_now": "taste_cluster_recent",
    "company": "session_neighbors",
    "neighbours": "item_neighbors",
    "neighbours_share": "item_neighbors_mean",
    "walk": "rp3beta",
    "fatigue": "impression_fatigue",
    "like_dismissed": "similar_to_dismissed",
}
MODELS = {"plan": "baseline", "breadth": "diverse_popular"}
JOBS = {
    "tastes": "collaborative models",
    "training": "ranking model",
    "quiz": "onboarding questions",
    "train trends": "fit trend constants",
    "forget old events": "delete old events",
    "prepare months": "create partitions",
}
TYPES = "type IN ('view', 'like', '{}', 'comment', 'follow', 'click', 'dismiss', 'impression')"


def upgrade() -> None:
    """Copy the renamed tables, rename single columns, and rewrite stored values."""
    _rename_tables()
    op.execute("ALTER TABLE dismissals RENAME COLUMN because TO reason_id")
    for table in ("ranking_models", "velocity_constants"):
        op.drop_index(f"uq_{table}_in_service", table)
        op.execute(f"ALTER TABLE {table} RENAME COLUMN in_service TO is_active")
        active: dict[str, Any] = {"postgresql_where": sa.text("is_active"), "sqlite_where": sa.text("is_active")}
        op.create_index(f"uq_{table}_is_active", table, ["is_active"], unique=True, **active)
    _rename_signals()
    for table, column, names in (
        ("served_pages", "model", MODELS),
        ("ranking_models", "name", MODELS),
        ("jobs", "name", JOBS),
    ):
        for old, new in names.items():
            op.execute(f"UPDATE {table} SET {column} = '{new}' WHERE {column} = '{old}'")  # noqa: S608
    _rename_bookmarks()


def _rename_tables() -> None:
    """Copy the rows into new tables, so that keys and indexes have the names of the models on both engines."""
    sums = [_number(new, None if new == "as_of_s" else "0") for new in COUNTERS.values()]
    op.create_table("decayed_counters", _key("project"), *sums)
    _copy("project_pulses", "decayed_counters", {"project_id": "project_id"} | COUNTERS)
    network = sa.Column("network", sa.String(), primary_key=True)
    op.create_table("network_counts", _key("project"), network, _number("actors"), _number("as_of_s"))
    _copy(
        "crowds",
        "network_counts",
        {"project_id": "project_id", "network": "network", "people": "actors", "last_s": "as_of_s"},
    )
    op.create_index(None, "network_counts", ["as_of_s"])
    hour = sa.Column("hour", sa.Integer(), primary_key=True, autoincrement=False)
    op.create_table("activity_rates", hour, _number("start_h"), _number("rate"))
    _copy("busy_hours", "activity_rates", {"hour": "hour", "start_h": "start_h", "rate": "rate"})
    cluster = sa.Column("cluster", ID)
    op.create_table("user_factors", _key("actor"), _bytes("vector"), cluster)
    _copy("actor_tastes", "user_factors", {"actor_id": "actor_id", "vector": "vector", "circle": "cluster"})
    op.create_table("taste_clusters", sa.Column("id", ID, primary_key=True), _bytes("vector"))
    _copy("taste_circles", "taste_clusters", {"id": "id", "vector": "vector"})
    op.create_table("item_factors", _key("project"), _bytes("vector"))
    _copy("project_tastes", "item_factors", {"project_id": "project_id", "vector": "vector"})
    op.create_table("item_neighbors", _key("project"), *map(_bytes, ("neighbors", "similarity")))
    op.execute("DELETE FROM project_neighbours WHERE kind <> 'cosine'")
    lists = {"project_id": "project_id", "neighbours": "neighbors", "likeness": "similarity"}
    _copy("project_neighbours", "item_neighbors", lists)


def _copy(old: str, new: str, columns: dict[str, str]) -> None:
    op.execute(f"INSERT INTO {new} ({', '.join(columns.values())}) SELECT {', '.join(columns)} FROM {old}")  # noqa: S608
    op.drop_table(old)


def _rename_signals() -> None:
    """Rename signals where they are quoted in JSON."""
    json_type = "JSONB" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    for table, column in (("served_pages", "signals"), ("ranking_models", "curves"), ("ranking_models", "report")):
        names = iter(SIGNALS.items())
        while batch := list(islice(names, 10)):  # SQLite's parser refuses 28 nested calls
            renamed = f"CAST({column} AS TEXT)"
            for old, new in batch:
                renamed = f"""replace({renamed}, '"{old}"', '"{new}"')"""
            op.execute(f"UPDATE {table} SET {column} = CAST({renamed} AS {json_type})")  # noqa: S608


def _rename_bookmarks() -> None:
    check = op.f("ck_interactions_type_known")
    update = "UPDATE interactions SET type = 'save' WHERE type = 'bookmark'"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(check, "interactions", type_="check")
        op.execute(update)
        op.create_check_constraint(check, "interactions", TYPES.format("save"))
        return
    # SQLite cannot alter a constraint. Its documentation allows to edit the schema if only a CHECK changes.
    op.execute("PRAGMA ignore_check_constraints = ON")
    op.execute(update)
    op.execute("PRAGMA ignore_check_constraints = OFF")
    version = op.get_bind().execute(sa.text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    op.execute("UPDATE sqlite_master SET sql = replace(sql, '''bookmark''', '''save''') WHERE name = 'interactions'")
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")


def _key(entity: str) -> sa.Column[int]:
    return sa.Column(f"{entity}_id", ID, sa.ForeignKey(f"{entity}s.id", ondelete="CASCADE"), primary_key=True)


def _number(name: str, default: str | None = None) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), server_default=default, nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)
