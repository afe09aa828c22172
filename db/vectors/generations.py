"""The generations of the embedded index: each filling of an embedding space has tables of its own.

One generation of a space is in service. The next one is filled beside it, takes over in one transaction, and the old
one is dropped a slice at a time. Every function runs inside a transaction.
"""
# ruff: noqa: S608 (the names of tables consist of letters, digits and underscores; see `collection_name`)

import secrets
import sqlite3
from dataclasses import dataclass

from db.vectors import keywords
from db.vectors.base import collection_name

PROJECT, PROFILE, TOOL = "Project", "UserProfile", "Tool"

SERVING, STAGED, RETIRED = "serving", "staged", "retired"
"""A generation is filled, put into service, and retired when the next one has taken over. A retired one has no name any
more for readers and writers, and is dropped."""

LAYOUT = 2
"""To be raised with every change of the tables: what a file of another layout holds is dropped, and is to be written
anew from the truth."""

DROPPED_AT_ONCE = 1_000
"""Rows: 15 ms of the file's only write lock, where dropping 100,000 projects at once holds it for 1.4 to 6 s."""


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space."""

    model: str
    dimension: int

    @property
    def name(self) -> str:
        """What the space's generations are known by."""
        return collection_name("Space", self.model, self.dimension)


@dataclass(frozen=True, slots=True)
class Generation:
    """One filling of a space: the names of its tables, and its dimension. `identity` is new with each making."""

    space: Space
    number: int
    identity: str

    @property
    def name(self) -> str:
        """The generation's row in the table of generations."""
        return self._table("Space")

    @property
    def dimension(self) -> int:
        """Components of each vector."""
        return self.space.dimension

    @property
    def projects(self) -> str:
        """The table of projects."""
        return self._table(PROJECT)

    @property
    def words(self) -> str:
        """The full-text table of the projects' texts."""
        return self._table("Words")

    @property
    def gone(self) -> str:
        """The table of ids that were removed."""
        return self._table("Gone")

    @property
    def profiles(self) -> str:
        """The table of profiles."""
        return self._table(PROFILE)

    @property
    def tools(self) -> str:
        """The table of tools."""
        return self._table(TOOL)

    def _table(self, kind: str) -> str:
        return f"{collection_name(kind, self.space.model, self.space.dimension)}_g{self.number}"


def create(connection: sqlite3.Connection, space: Space) -> None:
    """Put an empty first generation into service if the space has none yet."""
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
    """Drop all tables. The virtual ones come first: they take those that they keep their texts in along."""
    listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND {} AND name NOT LIKE 'sqlite_%'"
    for which in ("sql LIKE 'CREATE VIRTUAL%'", "true"):
        for (name,) in connection.execute(listed.format(which)).fetchall():
            connection.execute(f"DROP TABLE {name}")


def stage(connection: sqlite3.Connection, space: Space) -> Generation:
    """Make an empty generation beside the one in service, in place of an unfinished one, which is retired."""
    _retire(connection, space, STAGED)
    return _make(connection, space, STAGED)


def announce(connection: sqlite3.Connection, generation: Generation) -> int:
    """Tell readers that a generation is about to take over, and give how many projects they have to load."""
    connection.execute("UPDATE generations SET announced = 1 WHERE name = ?", (generation.name,))
    [[count]] = connection.execute(f"SELECT count(*) FROM {generation.projects}").fetchall()
    return int(count)


def publish(connection: sqlite3.Connection, generation: Generation) -> None:
    """Put a generation into service, and retire the one before."""
    _retire(connection, generation.space, SERVING)
    connection.execute(f"UPDATE generations SET state = '{SERVING}' WHERE name = ?", (generation.name,))


def discard(connection: sqlite3.Connection, space: Space, name: str) -> None:
    """Retire the unfinished generation if that is its name."""
    found = staged(connection, space)
    if found is not None and found.name == name:
        _retire(connection, space, STAGED)


def drop_some(connection: sqlite3.Connection, space: Space, most: int = DROPPED_AT_ONCE) -> bool:
    """Drop so many rows of what is retired, and tables that have become empty; tell whether anything is left.

    The pages stay in the file, for the next generations.
    """
    found = _generation(connection, space, "state = ?", RETIRED)
    if found is None:
        return False
    if _empty(connection, found, most):
        for table in (found.projects, found.words, found.gone, found.profiles, found.tools):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute("DELETE FROM generations WHERE name = ?", (found.name,))
    return _generation(connection, space, "state = ?", RETIRED) is not None


def _retire(connection: sqlite3.Connection, space: Space, state: str) -> None:
    connection.execute(f"UPDATE generations SET state = '{RETIRED}' WHERE space = ? AND state = ?", (space.name, state))


def _empty(connection: sqlite3.Connection, generation: Generation, most: int) -> bool:
    """Delete so many rows of a generation's tables, and tell whether that was all."""
    words = generation.words
    # The tables that FTS5 keeps its texts and its index in. Deleting by FTS5 itself makes its index grow: dropping it
    # then still takes 0.9 s. Without the two records of the index that come first, its table could not be opened.
    of_words = ((f"{words}_content", -1), (f"{words}_data", 10))
    for table, after in ((generation.projects, -1), (generation.profiles, -1), (generation.tools, -1), *of_words):
        most -= _delete_some(connection, table, after, most)
        if most <= 0:
            return False
    return True


def _delete_some(connection: sqlite3.Connection, table: str, after: int, most: int) -> int:
    some = f"SELECT rowid FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
    try:
        return connection.execute(f"DELETE FROM {table} WHERE rowid IN ({some})", (after, most)).rowcount
    except sqlite3.OperationalError as error:
        # A build of SQLite that is defensive by default guards FTS5's tables: then they go all at once at the end.
        if "may not be modified" in str(error):
            return 0
        raise


def serving(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Give the generation in service; None if the space has not been prepared."""
    return _generation(connection, space, "state = ?", SERVING)


def staged(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Give the unfinished generation."""
    return _generation(connection, space, "state = ?", STAGED)


def next_to_serve(connection: sqlite3.Connection, space: Space) -> Generation | None:
    """Give the generation that is about to take over; if there is none, the one in service."""
    return _generation(connection, space, "announced AND state = ?", STAGED) or serving(connection, space)


def named(connection: sqlite3.Connection, space: Space, name: str) -> Generation | None:
    """Give a generation that is in service or unfinished by its name."""
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
    for statement in (
        f"""CREATE TABLE {made.projects} (
            id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, owner_id INTEGER NOT NULL, created_at INTEGER NOT NULL,
            type TEXT NOT NULL, terms BLOB NOT NULL, vector BLOB NOT NULL, key TEXT NOT NULL UNIQUE,
            username TEXT NOT NULL, fingerprint TEXT NOT NULL, words INTEGER NOT NULL)""",
        f"CREATE INDEX {made.projects}_sequence ON {made.projects} (sequence)",
        f"CREATE TABLE {made.gone} (kind TEXT, id INTEGER, sequence INTEGER NOT NULL, PRIMARY KEY (kind, id))",
        f"CREATE INDEX {made.gone}_sequence ON {made.gone} (kind, sequence)",
        f"""CREATE TABLE {made.profiles} (
            id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, vector BLOB NOT NULL, features TEXT NOT NULL,
            fingerprint TEXT NOT NULL)""",
        f"CREATE INDEX {made.profiles}_sequence ON {made.profiles} (sequence)",
        f"CREATE INDEX {made.profiles}_key ON {made.profiles} (CAST(id AS TEXT))",
        f"""CREATE TABLE {made.tools} (
            term_id INTEGER PRIMARY KEY, vector BLOB NOT NULL, key TEXT NOT NULL UNIQUE, features TEXT NOT NULL,
            fingerprint TEXT NOT NULL)""",
        keywords.table(made.words),
    ):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO generations (name, space, number, state, identity) VALUES (?, ?, ?, ?, ?)",
        (made.name, space.name, number, state, made.identity),
    )
    return made
