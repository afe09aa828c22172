"""Generations of the embedded index: each filling of an embedding space has its own tables.

One generation of a space is active. The next one is filled beside it and activated in one transaction; the old one is
dropped in slices. Every function runs inside a transaction.
"""
# ruff: noqa: S608 (table names consist of letters, digits and underscores; see `collection_name`)

import secrets
import sqlite3
from dataclasses import dataclass

from db.vectors.base import KINDS, PROJECT, collection_name
from db.vectors.embedded import keywords

SERVING, STAGED, RETIRED = "serving", "staged", "retired"
"""States: a generation is staged while it is filled, then serving, and retired when the next one replaces it. Readers
and writers no longer find a retired one, and it is dropped."""

LAYOUT = 3
"""Version of the tables, to be raised with every change: the contents of a file of another version are dropped and
written again from the database."""

DROPPED_AT_ONCE = 1_000
"""Rows of one slice: 15 ms of the file's write lock. Dropping 100,000 projects at once holds it for 1.4 to 6 s."""

_COLUMNS = "id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL, fingerprint TEXT NOT NULL"
_PROJECT_COLUMNS = (
    ", sequence INTEGER NOT NULL, owner_id INTEGER NOT NULL, created_at INTEGER NOT NULL, type TEXT NOT NULL, "
    "terms BLOB NOT NULL, words INTEGER NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space."""

    model: str
    dimension: int

    @property
    def name(self) -> str:
        """Name of the space in the table of generations."""
        return collection_name("Space", self.model, self.dimension)


@dataclass(frozen=True, slots=True)
class Generation:
    """One filling of a space: its dimension and the names of its tables. `identity` is unique."""

    space: Space
    number: int
    identity: str

    @property
    def name(self) -> str:
        """Name of the generation."""
        return self.table("Space")

    @property
    def dimension(self) -> int:
        """Components of each vector."""
        return self.space.dimension

    @property
    def words(self) -> str:
        """Name of the full-text table of the projects."""
        return self.table("Words")

    @property
    def gone(self) -> str:
        """Name of the table of removed project ids."""
        return self.table("Gone")

    def table(self, kind: str) -> str:
        """Return the name of the table of a kind of document."""
        return f"{collection_name(kind, self.space.model, self.space.dimension)}_g{self.number}"


def create(connection: sqlite3.Connection, space: Space) -> None:
    """Activate an empty first generation if the space has none yet."""
    [[layout]] = connection.execute("PRAGMA user_version").fetchall()
    if layout != LAYOUT:
        _drop_everything(connection)
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
    connection.execute(
        """CREATE TABLE IF NOT EXISTS generations (
            name TEXT PRIMARY KEY, space TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL,
            identity TEXT NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0,
            announced INTEGER NOT NULL DEFAULT 0)"""
    )
    if serving(connection, space) is None:
        _make(connection, space, SERVING)


def _drop_everything(connection: sqlite3.Connection) -> None:
    """Drop all tables; virtual ones first, since they drop the tables that hold their texts."""
    listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND {} AND name NOT LIKE 'sqlite_%'"
    for which in ("sql LIKE 'CREATE VIRTUAL%'", "true"):
        for (name,) in connection.execute(listed.format(which)).fetchall():
            connection.execute(f"DROP TABLE {name}")


def stage(connection: sqlite3.Connection, space: Space) -> Generation:
    """Create an empty generation beside the active one, and retire an unfinished one."""
    _retire(connection, space, STAGED)
    return _make(connection, space, STAGED)


def announce(connection: sqlite3.Connection, generation: Generation) -> int:
    """Mark a generation as about to be activated, and return the number of projects that readers have to load."""
    connection.execute("UPDATE generations SET announced = 1 WHERE name = ?", (generation.name,))
    [[count]] = connection.execute(f"SELECT count(*) FROM {generation.table(PROJECT)}").fetchall()
    return int(count)


def publish(connection: sqlite3.Connection, generation: Generation) -> None:
    """Activate a generation, and retire the previous one."""
    _retire(connection, generation.space, SERVING)
    connection.execute(f"UPDATE generations SET state = '{SERVING}' WHERE name = ?", (generation.name,))


def discard(connection: sqlite3.Connection, space: Space, name: str) -> None:
    """Retire the unfinished generation if it has this name."""
    found = staged(connection, space)
    if found is not None and found.name == name:
        _retire(connection, space, STAGED)


def drop_some(connection: sqlite3.Connection, space: Space, most: int = DROPPED_AT_ONCE) -> bool:
    """Drop at most this many rows of retired generations, and tables that are empty; return whether more is left.

    The pages stay in the file, for the next generations.
    """
    found = _generation(connection, space, "state = ?", RETIRED)
    if found is None:
        return False
    if _empty(connection, found, most):
        for table in (*map(found.table, KINDS), found.words, found.gone):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute("DELETE FROM generations WHERE name = ?", (found.name,))
    return _generation(connection, space, "state = ?", RETIRED) is not None


def _retire(connection: sqlite3.Connection, space: Space, state: str) -> None:
    connection.execute(f"UPDATE generations SET state = '{RETIRED}' WHERE space = ? AND state = ?", (space.name, state))


def _empty(connection: sqlite3.Connection, generation: Generation, most: int) -> bool:
    """Delete at most this many rows of a generation's tables, and return whether none is left."""
    # FTS5's own tables of texts and of its index: deleting through FTS5 makes its index grow, and dropping that still
    # takes 0.9 s. Without the first two records of the index its table could not be opened.
    of_words = ((f"{generation.words}_content", -1), (f"{generation.words}_data", 10))
    for table, after in (*((generation.table(kind), -1) for kind in KINDS), *of_words):
        most -= _delete_some(connection, table, after, most)
        if most <= 0:
            return False
    return True


def _delete_some(connection: sqlite3.Connection, table: str, after: int, most: int) -> int:
    some = f"SELECT rowid FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
    try:
        return connection.execute(f"DELETE FROM {table} WHERE rowid IN ({some})", (after, most)).rowcount
    except sqlite3.OperationalError as error:
        # A build of SQLite that is defensive by default protects FTS5's tables; they are dropped as a whole instead.
        if "may not be modified" in str(error):
            return 0
        raise


def serving(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Return the active generation; None if the space has not been prepared."""
    return _generation(connection, space, "state = ?", SERVING)


def staged(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Return the unfinished generation."""
    return _generation(connection, space, "state = ?", STAGED)


def next_to_serve(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Return the announced generation, or the active one if none is announced."""
    return _generation(connection, space, "announced AND state = ?", STAGED) or serving(connection, space)


def named(connection: sqlite3.Connection, space: Space, name: str) -> Generation | None:
    """Return the active or unfinished generation of this name."""
    return _generation(connection, space, f"state <> '{RETIRED}' AND name = ?", name)


def _generation(connection: sqlite3.Connection, space: Space, which: str, value: str) -> Generation | None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'generations'").fetchone() is None:
        return None
    row = connection.execute(
        f"SELECT number, identity FROM generations WHERE space = ? AND {which}", (space.name, value)
    ).fetchone()
    return None if row is None else Generation(space, *row)


def _make(connection: sqlite3.Connection, space: Space, state: str) -> Generation:
    [[number]] = connection.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM generations WHERE space = ?", (space.name,)
    ).fetchall()
    made = Generation(space, number, secrets.token_hex(8))
    for kind in KINDS:
        more = _PROJECT_COLUMNS if kind == PROJECT else ""
        connection.execute(f"CREATE TABLE {made.table(kind)} ({_COLUMNS}{more})")
    connection.execute(f"CREATE TABLE {made.gone} (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL)")
    for table in (made.table(PROJECT), made.gone):
        connection.execute(f"CREATE INDEX {table}_sequence ON {table} (sequence)")
    connection.execute(keywords.table(made.words))
    connection.execute(
        "INSERT INTO generations (name, space, number, state, identity) VALUES (?, ?, ?, ?, ?)",
        (made.name, space.name, number, state, made.identity),
    )
    return made
