"""Generations of the embedded index: sets of tables for the documents of one embedding model (see `VectorStore`).

One generation of each model is active. The next generation is filled while the old generation is active, and activated
in one transaction. Then the old generation is dropped in slices. Every function runs inside a transaction.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores; see `collection_name`)

import secrets
import sqlite3
from dataclasses import dataclass

from db.errors import Store, StoreMisconfigured
from db.vectors.base import KINDS, PROJECT, collection_name
from db.vectors.embedded import keywords
from db.vectors.text_analysis import ANALYSIS_VERSION

ACTIVE, STAGED, RETIRED = "serving", "staged", "retired"
"""States of a generation. It is staged while it is filled, then active, and retired when the next generation replaces
it. Retired generations are neither read nor written, and are dropped."""

LAYOUT_VERSION = 4
"""Version of the tables. Raise it with every change."""

FILE_VERSION = 1_000 * LAYOUT_VERSION + ANALYSIS_VERSION
"""Version of a file. A file of an older version is emptied and filled again, one of a newer version refused."""

SLICE_ROWS = 1_000
"""Rows deleted in one transaction, which holds the write lock for 15 ms. Dropping 100,000 projects takes 1.4 to 6 s."""

_COLUMNS = "id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL, fingerprint TEXT NOT NULL"
_PROJECT_COLUMNS = (
    ", sequence INTEGER NOT NULL, owner_id INTEGER NOT NULL, created_at INTEGER NOT NULL, type TEXT NOT NULL, "
    "terms BLOB NOT NULL, words INTEGER NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding space: the vectors of one model with one dimension."""

    name: str  # in the table of generations
    dimension: int

    @classmethod
    def of(cls, model: str, dimension: int) -> "Space":
        """Return the space of a model."""
        return cls(collection_name("Space", model, dimension), dimension)


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of an embedding space, with the names of its tables. `identity` is unique across all files."""

    space: Space
    number: int
    identity: str

    @property
    def name(self) -> str:
        """Name of the generation in the table of generations."""
        return self.table("Space")

    @property
    def dimension(self) -> int:
        """Number of components of each vector."""
        return self.space.dimension

    @property
    def words_table(self) -> str:
        """Name of the full-text table of the projects."""
        return self.table("Words")

    @property
    def removed_ids_table(self) -> str:
        """Name of the table of removed project ids."""
        return self.table("Gone")

    def table(self, kind: str) -> str:
        """Return the name of the table of a kind of document."""
        return f"{kind}{self.space.name.removeprefix('Space')}_g{self.number}"


def create(connection: sqlite3.Connection, space: Space) -> None:
    """Create the tables of a new file, and activate an empty first generation if the space has no active one."""
    if _version(connection) != FILE_VERSION:
        _drop_all_tables(connection)
        connection.execute(f"PRAGMA user_version = {FILE_VERSION}")
    connection.execute(
        """CREATE TABLE IF NOT EXISTS generations (
            name TEXT PRIMARY KEY, space TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
            identity TEXT NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0,
            announced INTEGER NOT NULL DEFAULT 0)"""
    )
    if active(connection, space) is None:
        _create_generation(connection, space, ACTIVE)


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of the file; raise `StoreMisconfigured` if a newer gateway has made it, during an upgrade."""
    [[version]] = connection.execute("PRAGMA user_version").fetchall()
    if version > FILE_VERSION:
        reason = "the index file is of a newer explore-gateway; run that version, or delete the file to fill it anew"
        raise StoreMisconfigured(Store.VECTORS, reason)
    return int(version)


def _drop_all_tables(connection: sqlite3.Connection) -> None:
    """Drop all tables. Virtual tables come first, because dropping one also drops the tables that store its content."""
    statement = "SELECT name FROM sqlite_master WHERE type = 'table' AND {} AND name NOT LIKE 'sqlite_%'"
    for condition in ("sql LIKE 'CREATE VIRTUAL%'", "true"):
        for (name,) in connection.execute(statement.format(condition)).fetchall():
            connection.execute(f"DROP TABLE {name}")


def stage(connection: sqlite3.Connection, space: Space) -> Generation:
    """Create an empty generation beside the active one, and retire an earlier staged one."""
    _retire(connection, space, STAGED)
    return _create_generation(connection, space, STAGED)


def announce(connection: sqlite3.Connection, generation: Generation) -> int:
    """Announce a staged generation, so that readers load it before its activation; return its number of projects."""
    connection.execute("UPDATE generations SET announced = 1 WHERE name = ?", (generation.name,))
    [[count]] = connection.execute(f"SELECT count(*) FROM {generation.table(PROJECT)}").fetchall()
    return int(count)


def publish(connection: sqlite3.Connection, generation: Generation) -> None:
    """Activate a generation, and retire the previous one."""
    _retire(connection, generation.space, ACTIVE)
    connection.execute(f"UPDATE generations SET state = '{ACTIVE}' WHERE name = ?", (generation.name,))


def discard(connection: sqlite3.Connection, name: str) -> None:
    """Retire the generation with this name if it is staged."""
    connection.execute(f"UPDATE generations SET state = '{RETIRED}' WHERE name = ? AND state = '{STAGED}'", (name,))


def unused(connection: sqlite3.Connection, space: Space) -> list[str]:
    """Return the names of the generations of other embedding spaces."""
    statement = "SELECT name FROM generations WHERE space <> ? ORDER BY name"
    return [name for (name,) in connection.execute(statement, (space.name,))]


def retire_unused(connection: sqlite3.Connection, space: Space) -> None:
    """Retire the generations of other embedding spaces."""
    connection.execute(f"UPDATE generations SET state = '{RETIRED}' WHERE space <> ?", (space.name,))


def drop_retired_slice(connection: sqlite3.Connection, max_rows: int = SLICE_ROWS) -> bool:
    """Delete up to `max_rows` rows of a retired generation, and drop its tables when they are empty.

    Returns whether retired generations remain. Free pages stay in the file for the next generations.
    """
    statement = f"SELECT space, number, identity FROM generations WHERE state = '{RETIRED}'"
    row = connection.execute(statement).fetchone()
    if row is None:
        return False
    retired = Generation(Space(row[0], 0), *row[1:])
    if _empty(connection, retired, max_rows):
        for table in (*map(retired.table, KINDS), retired.words_table, retired.removed_ids_table):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute("DELETE FROM generations WHERE name = ?", (retired.name,))
    return connection.execute(statement).fetchone() is not None


def _retire(connection: sqlite3.Connection, space: Space, state: str) -> None:
    connection.execute(f"UPDATE generations SET state = '{RETIRED}' WHERE space = ? AND state = ?", (space.name, state))


def _empty(connection: sqlite3.Connection, generation: Generation, max_rows: int) -> bool:
    """Delete up to `max_rows` rows of the tables of a generation, and return whether the tables are empty."""
    # The internal tables of FTS5 for texts and index. Deleting through FTS5 would make the index grow, and dropping it
    # takes 0.9 s. Records up to rowid 10 of the index are kept: without them FTS5 cannot open the table.
    full_text_tables = ((f"{generation.words_table}_content", -1), (f"{generation.words_table}_data", 10))
    for table, after_rowid in (*((generation.table(kind), -1) for kind in KINDS), *full_text_tables):
        max_rows -= _delete_some(connection, table, after_rowid, max_rows)
        if max_rows <= 0:
            return False
    return True


def _delete_some(connection: sqlite3.Connection, table: str, after_rowid: int, max_rows: int) -> int:
    row_ids = f"SELECT rowid FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
    try:
        return connection.execute(f"DELETE FROM {table} WHERE rowid IN ({row_ids})", (after_rowid, max_rows)).rowcount
    except sqlite3.OperationalError as error:
        # SQLite builds in defensive mode protect the internal tables of FTS5. Then the tables are dropped as a whole.
        if "may not be modified" in str(error):
            return 0
        raise


def active(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Return the active generation, or None if the space has not been prepared."""
    return _generation(connection, space, "state = ?", ACTIVE)


def staged(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Return the staged generation, or None."""
    return _generation(connection, space, "state = ?", STAGED)


def announced_or_active(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Return the announced generation, or the active one if none is announced."""
    return _generation(connection, space, "announced AND state = ?", STAGED) or active(connection, space)


def by_name(connection: sqlite3.Connection, space: Space, name: str) -> Generation | None:
    """Return the active or staged generation with this name, or None."""
    return _generation(connection, space, f"state <> '{RETIRED}' AND name = ?", name)


def _generation(connection: sqlite3.Connection, space: Space, condition: str, value: str) -> Generation | None:
    _version(connection)  # before a column that a newer file lacks counts as damage
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'generations'").fetchone() is None:
        return None
    row = connection.execute(
        f"SELECT number, identity FROM generations WHERE space = ? AND {condition}", (space.name, value)
    ).fetchone()
    return None if row is None else Generation(space, *row)


def _create_generation(connection: sqlite3.Connection, space: Space, state: str) -> Generation:
    [[number]] = connection.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM generations WHERE space = ?", (space.name,)
    ).fetchall()
    generation = Generation(space, number, secrets.token_hex(8))
    for kind in KINDS:
        extra_columns = _PROJECT_COLUMNS if kind == PROJECT else ""
        connection.execute(f"CREATE TABLE {generation.table(kind)} ({_COLUMNS}{extra_columns})")
    connection.execute(
        f"CREATE TABLE {generation.removed_ids_table} (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL)"
    )
    for table in (generation.table(PROJECT), generation.removed_ids_table):
        connection.execute(f"CREATE INDEX {table}_sequence ON {table} (sequence)")
    connection.execute(keywords.table(generation.words_table))
    connection.execute(
        "INSERT INTO generations (name, space, number, state, identity) VALUES (?, ?, ?, ?, ?)",
        (generation.name, space.name, number, state, generation.identity),
    )
    return generation
