"""The embedded index beyond the contract: one file, several processes, sudden ends."""

import asyncio
import random
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.errors import Store, StoreUnavailable
from db.vectors.base import PROJECT, VectorFilter
from db.vectors.embedded import EmbeddedVectorStore, deltas, generations, matrix
from db.vectors.embedded.store import SLICE_PAUSE_S
from db.vectors.text_analysis import search_terms_of
from tests.db.vectors.objects import DIMENSION, MODEL, profile, project, unit
from tests.preloaded import Code

pytestmark = pytest.mark.servers

EVERYTHING = VectorFilter()

WRITER = """
import asyncio, sys
from pathlib import Path
from db.vectors.embedded import EmbeddedVectorStore
from tests.db.vectors.objects import DIMENSION, MODEL, project, unit

async def main(path: str, first: int, last: int, size: int) -> None:
    store = EmbeddedVectorStore(Path(path), busy_timeout_s=30)
    await store.prepare(MODEL, DIMENSION)
    for batch in range(first, last):
        ids = range(batch * size + 1, (batch + 1) * size + 1)
        await store.upsert([project(id_, unit(1, batch), type_=f"batch{batch}") for id_ in ids])
        print(batch, flush=True)
    await store.close()

asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
"""


def start_writer(path: Path, first: int, last: int, size: int) -> Code:
    return Code(WRITER, path, first, last, size)


def serving(connection: sqlite3.Connection) -> generations.Generation:
    generation = generations.active(connection, generations.Space.of(MODEL, DIMENSION))
    assert generation is not None
    return generation


def retire_what_serves(path: Path, staged: str) -> generations.Generation:
    """Publish a generation like a process that then ends suddenly, and return the one that was not dropped."""
    with sqlite3.connect(path) as connection:
        old = serving(connection)
        found = generations.by_name(connection, old.space, staged)
        assert found is not None
        generations.publish(connection, found)
    connection.close()
    return old


def tables_of(path: Path, old: generations.Generation) -> set[str]:
    connection = sqlite3.connect(path)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return {name for name in names if name.endswith(f"_g{old.number}") or name.startswith(old.words_table)}


def remove_all_of(folder: Path) -> None:
    for file in folder.glob("vectors.sqlite*"):
        file.unlink()


@pytest.fixture
async def two_stores(tmp_path: Path):
    stores = [EmbeddedVectorStore(tmp_path / "vectors.sqlite") for _ in range(2)]
    for store in stores:
        await store.prepare(MODEL, DIMENSION)
    yield stores
    for store in stores:
        await store.close()


async def found(store: EmbeddedVectorStore, where: VectorFilter = EVERYTHING) -> list[int]:
    return sorted((await store.near(unit(1), 1_000_000, where)).ids.tolist())


async def test_what_one_process_writes_and_removes_another_sees(two_stores):
    writer, reader = two_stores
    assert await found(reader) == []
    await writer.upsert([project(1, unit(1)), project(2, unit(1))])
    assert await found(reader) == [1, 2]
    await writer.remove(PROJECT, ["p1"])
    assert await found(reader) == [2]
    await writer.upsert([project(1, unit(1)), project(3, unit(1))])
    assert await found(reader) == [1, 2, 3]


async def test_a_refresh_reads_only_what_changed(two_stores, tmp_path: Path):
    writer, _ = two_stores
    await writer.upsert([project(id_, unit(1)) for id_ in range(1, 5_001)])
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        generation = serving(connection)
        mark = deltas.changes(connection, generation, None).position
        await writer.upsert([project(7, unit(1)), project(6_000, unit(1))])
        await writer.remove(PROJECT, ["p8"])
        hundreds: list[None] = []
        connection.set_progress_handler(lambda: hundreds.append(None), 100)
        delta = deltas.changes(connection, generation, mark)
        assert not delta.is_full
        assert [rows.ids.tolist() for rows in delta.chunks] == [[7, 6_000]]
        assert len(hundreds) < 10, "went through the whole table"
        assert delta.removed_ids.tolist() == [8]
    connection.close()


async def test_a_reader_too_far_behind_the_removals_reads_everything_anew(two_stores, tmp_path: Path):
    writer, reader = two_stores
    count = deltas.MAX_REMOVED_IDS + 10
    await writer.upsert([project(id_, unit(1)) for id_ in range(1, count + 1)])
    assert len(await found(reader)) == count
    for first in range(1, count - 5, 1_000):
        await writer.remove(PROJECT, [f"p{id_}" for id_ in range(first, min(first + 1_000, count - 4))])
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        count_gone = f"SELECT count(*) FROM {serving(connection).removed_ids_table}"  # noqa: S608 (a table's name)
        [[remembered]] = connection.execute(count_gone).fetchall()
    connection.close()
    assert remembered < deltas.MAX_REMOVED_IDS
    assert await found(reader) == list(range(count - 4, count + 1))


async def test_rows_no_longer_alive_do_not_pile_up_in_memory(two_stores):
    writer, reader = two_stores
    for round_ in range(40):
        await writer.upsert([project(id_, unit(1, round_), terms=[id_]) for id_ in range(1, 11)])
        assert await found(reader, VectorFilter(any_terms=(frozenset({3, 4}),))) == [3, 4]
    assert len(reader._current_matrix().alive) <= 10 / (1 - matrix.MAX_DEAD_SHARE) + 1


async def test_a_matrix_in_use_does_not_change_when_the_next_one_is_made(two_stores):
    writer, reader = two_stores
    await writer.upsert([project(id_, unit(1)) for id_ in range(1, 6)])
    old = reader._current_matrix()
    await writer.upsert([project(1, unit(0, 1)), project(9, unit(1))])
    await writer.remove(PROJECT, ["p2"])
    new = reader._current_matrix()
    assert old.nearest(unit(1), 9, old.filter_mask(EVERYTHING)).ids.tolist() == [1, 2, 3, 4, 5]
    assert old.nearest(unit(1), 9, old.filter_mask(EVERYTHING)).scores.tolist() == [1.0] * 5
    assert new.nearest(unit(1), 9, new.filter_mask(EVERYTHING)).ids.tolist() == [3, 4, 5, 9, 1]


async def test_a_store_opened_again_holds_what_was_written(tmp_path: Path):
    path = tmp_path / "folder" / "vectors.sqlite"
    for expected in ([], [1]):
        store = EmbeddedVectorStore(path)
        await store.prepare(MODEL, DIMENSION)
        assert await found(store) == expected
        await store.upsert([project(1, unit(1))])
        await store.close()


async def test_the_terms_of_a_project_written_twice_are_kept_once(two_stores, tmp_path: Path):
    await two_stores[0].upsert([project(1, unit(1))])
    await two_stores[0].upsert([project(1, unit(1))])
    connection = sqlite3.connect(tmp_path / "vectors.sqlite")
    rows = connection.execute(f"SELECT rowid, * FROM {serving(connection).words_table}").fetchall()  # noqa: S608 (a name)
    connection.close()
    assert rows == [(1, search_terms_of(project(1, unit(1))))]


async def test_what_is_about_to_take_over_is_loaded_ahead(two_stores):
    rebuilding, serving_store = two_stores
    await rebuilding.upsert([project(1, unit(1))])
    assert await found(serving_store) == [1]
    generation = await rebuilding.stage()
    await rebuilding.upsert([project(2, unit(1)), project(3, unit(1))], generation=generation)
    await rebuilding._write(generations.announce, generation)
    await serving_store.preload()
    loaded = serving_store._project_cache.preloaded.matrix
    assert loaded.ids.tolist() == [2, 3]
    assert await found(serving_store) == [1]
    await rebuilding.publish(generation)
    await rebuilding.upsert([project(4, unit(1))])
    assert await found(serving_store) == [2, 3, 4]
    assert serving_store._current_matrix().columns is loaded.columns
    await serving_store.preload()
    assert serving_store._project_cache.preloaded is None


async def test_what_is_in_service_is_loaded_before_anybody_searches(two_stores):
    await two_stores[0].upsert([project(1, unit(1))])
    await two_stores[1].preload()
    columns = two_stores[1]._project_cache.preloaded.matrix.columns
    assert await found(two_stores[1]) == [1]
    assert two_stores[1]._current_matrix().columns is columns


async def test_an_announcement_that_nobody_follows_up_is_ended_by_the_next_run(two_stores):
    generation = await two_stores[0].stage()
    await two_stores[0]._write(generations.announce, generation)
    assert await two_stores[1].staged() == generation
    await two_stores[1].publish(generation)
    assert await two_stores[1].staged() is None


@pytest.mark.parametrize("version", [0, generations.FILE_VERSION - 1])  # an older layout, an older analysis of texts
async def test_a_file_of_an_older_version_is_begun_anew(tmp_path: Path, version: int):
    path = tmp_path / "vectors.sqlite"
    older, newer = EmbeddedVectorStore(path), EmbeddedVectorStore(path)
    await older.prepare(MODEL, DIMENSION)
    await older.upsert([project(1, unit(1))])
    await older.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    await newer.prepare(MODEL, DIMENSION)
    assert await found(newer) == []
    await newer.upsert([project(2, unit(1))])
    assert (await newer.hybrid("title", None, 0.0, 9, EVERYTHING)).ids.tolist() == [2]
    await newer.prepare(MODEL, DIMENSION)
    assert await found(newer) == [2]
    await newer.close()


REBUILDER = """
import asyncio, sys
from pathlib import Path
from db.vectors.embedded import EmbeddedVectorStore
from tests.db.vectors.objects import DIMENSION, MODEL, project, unit

async def main(path: str, rounds: int, size: int) -> None:
    store = EmbeddedVectorStore(Path(path), busy_timeout_s=30)
    await store.prepare(MODEL, DIMENSION)
    for round_ in range(1, rounds + 1):
        generation = await store.stage()
        for first in range(1, size + 1, 50):
            made = [project(1_000 * round_ + id_, unit(1)) for id_ in range(first, first + 50)]
            await store.upsert(made, generation=generation)
        await store.publish(generation)
        print(round_, flush=True)
    await store.close()

asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
"""


async def test_searches_never_see_an_empty_or_mixed_index_while_another_process_rebuilds_it(two_stores, tmp_path: Path):
    store, size = two_stores[0], 200
    await store.upsert([project(id_, unit(1)) for id_ in range(1, size + 1)])
    rebuilder = Code(REBUILDER, tmp_path / "vectors.sqlite", 12, size)
    rounds = []
    while rebuilder.poll() is None:
        near, hybrid, by_words = await asyncio.gather(
            store.near(unit(1), size + 1, EVERYTHING),
            store.hybrid("title about", unit(1), 0.5, size + 1, EVERYTHING),
            store.hybrid("title", None, 0.0, size + 1, EVERYTHING),
        )
        for hits in (near, hybrid, by_words):
            [round_] = set((hits.ids // 1_000).tolist())
            assert sorted(hits.ids.tolist()) == list(range(1_000 * round_ + 1, 1_000 * round_ + size + 1))
            rounds.append(round_)
        assert (hybrid.keyword_parts > 0).all()
    _, errors = await asyncio.to_thread(rebuilder.communicate)
    assert rebuilder.returncode == 0, errors
    assert len(set(rounds)) > 1, "the searches did not run beside the rebuilds"
    assert set((await store.near(unit(1), 9, EVERYTHING)).ids // 1_000) == {12}


async def test_a_generation_left_behind_by_a_sudden_end_is_dropped_by_the_next_rebuild(two_stores, tmp_path: Path):
    store, _ = two_stores
    generation = await store.stage()
    old = retire_what_serves(tmp_path / "vectors.sqlite", generation)
    await store.publish(await store.stage())
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM generations").fetchone() == (1,)
    connection.close()
    assert tables_of(tmp_path / "vectors.sqlite", old) == set()


async def test_another_process_writes_in_between_while_the_old_generation_is_dropped(tmp_path: Path):
    store = EmbeddedVectorStore(tmp_path / "vectors.sqlite", busy_timeout_s=30)
    await store.prepare(MODEL, DIMENSION)
    size = 5 * generations.SLICE_ROWS // 2
    await store.upsert([project(id_, unit(1)) for id_ in range(1, size + 1)])
    other = sqlite3.connect(tmp_path / "vectors.sqlite", isolation_level=None, timeout=30)
    old, left = serving(other), []
    publishing = asyncio.create_task(store.publish(await store.stage()))
    while not publishing.done():
        # In the thread of the event loop: until this is done, no further slice is asked for.
        other.execute("BEGIN IMMEDIATE")
        if tables_of(tmp_path / "vectors.sqlite", old):
            left += other.execute(f"SELECT count(*) FROM {old.table(PROJECT)}").fetchone()  # noqa: S608 (a table's name)
        other.execute("UPDATE generations SET forgotten = forgotten")
        other.execute("COMMIT")
        await asyncio.sleep(
            SLICE_PAUSE_S / 2
        )  # shorter than the pause, so that it comes first; and the store gets its turn
    await publishing
    other.close()
    await store.close()
    assert {size - generations.SLICE_ROWS, size - 2 * generations.SLICE_ROWS} <= set(left)
    assert tables_of(tmp_path / "vectors.sqlite", old) == set()


async def test_an_unfinished_generation_that_is_discarded_or_replaced_is_dropped(two_stores, tmp_path: Path):
    store, path = two_stores[0], tmp_path / "vectors.sqlite"
    for end in (store.discard, lambda _: store.stage()):
        name = await store.stage()
        await store.upsert([project(1, unit(1))], generation=name)
        with sqlite3.connect(path) as connection:
            unfinished = generations.by_name(connection, generations.Space.of(MODEL, DIMENSION), name)
        connection.close()
        assert unfinished is not None
        assert tables_of(path, unfinished)
        await end(name)
        assert tables_of(path, unfinished) == set()


async def test_a_retired_generation_has_no_name_for_readers_and_writers(two_stores, tmp_path: Path):
    store, _ = two_stores
    old = retire_what_serves(tmp_path / "vectors.sqlite", await store.stage())
    for call in (store.counts(old.name), store.upsert([project(1, unit(1))], generation=old.name)):
        with pytest.raises(StoreUnavailable, match="no generation"):
            await call
    with pytest.raises(StoreUnavailable, match="no generation"):
        await store.publish(old.name)


async def test_a_drop_that_ends_suddenly_anywhere_goes_on_with_the_next_connection(two_stores, tmp_path: Path):
    store, path = two_stores[0], tmp_path / "vectors.sqlite"
    await store.upsert([project(id_, unit(1)) for id_ in range(1, 4)])
    await store.upsert([profile(1, unit(1))])
    old, slices, more = retire_what_serves(path, await store.stage()), 0, True
    while more:
        with sqlite3.connect(path) as connection:
            more = generations.drop_retired_slice(connection, 1)
        connection.close()
        slices += 1
        assert slices < 100
    assert slices > 3 + 1 + 3, "it was dropped at once"
    assert tables_of(path, old) == set()


class Defensive(sqlite3.Connection):
    """A connection of a SQLite build that protects FTS5's own tables."""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if re.match(r"DELETE FROM Words_\w+_(data|content|docsize) ", statement):
            raise sqlite3.OperationalError("table may not be modified")
        return super().execute(statement, *parameters)


async def test_an_old_generation_is_dropped_where_the_tables_of_fts5_are_guarded(two_stores, tmp_path: Path):
    store, path = two_stores[0], tmp_path / "vectors.sqlite"
    await store.upsert([project(1, unit(1))])
    old = retire_what_serves(path, await store.stage())
    with sqlite3.connect(path, factory=Defensive) as connection:
        while generations.drop_retired_slice(connection):
            pass
    connection.close()
    assert tables_of(path, old) == set()


async def test_writes_go_to_the_generation_that_another_process_has_published(two_stores):
    publisher, writer = two_stores
    await publisher.publish(await publisher.stage())
    await writer.upsert([project(1, unit(1))])
    assert await found(publisher) == [1]


async def test_several_processes_write_one_file_at_once(tmp_path: Path):
    path = tmp_path / "vectors.sqlite"
    writers = [start_writer(path, first, first + 20, 7) for first in (0, 20, 40)]
    for writer in writers:
        _, errors = await asyncio.to_thread(writer.communicate)
        assert writer.returncode == 0, errors
    store = EmbeddedVectorStore(path)
    await store.prepare(MODEL, DIMENSION)
    assert await found(store) == list(range(1, 60 * 7 + 1))
    await store.close()


async def test_a_writer_killed_in_mid_write_leaves_whole_batches_and_every_acknowledged_one(tmp_path: Path):
    path, size, seed = tmp_path / "vectors.sqlite", 200, random.Random(4)
    first, acknowledged = 0, set()
    for _ in range(5):
        writer = start_writer(path, first, 10_000, size)
        for _ in range(seed.randint(1, 8)):
            acknowledged.add(int(await asyncio.to_thread(writer.stdout.readline)))
        await asyncio.sleep(seed.random() * 0.01)
        writer.send_signal(signal.SIGKILL)
        rest, _ = await asyncio.to_thread(writer.communicate)
        acknowledged |= {int(line) for line in rest.splitlines()}
        first = max(acknowledged) + 2  # the batch after the last one may be there without a word of it

        store = EmbeddedVectorStore(path)
        await store.prepare(MODEL, DIMENSION)
        here, counts = np.unique([(id_ - 1) // size for id_ in await found(store)], return_counts=True)
        await store.close()
        assert set(counts.tolist()) == {size}
        assert acknowledged <= set(here.tolist())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def test_an_index_that_was_not_prepared_is_unavailable(tmp_path: Path):
    store = EmbeddedVectorStore(tmp_path / "vectors.sqlite")
    with pytest.raises(StoreUnavailable) as caught:
        await store.near(unit(1), 1, EVERYTHING)
    assert caught.value.store is Store.VECTORS
    with pytest.raises(StoreUnavailable):
        await store.upsert([project(1, unit(1))])
    await store.close()


async def test_an_index_whose_file_went_away_is_unavailable_until_it_is_prepared_again(two_stores, tmp_path: Path):
    store, other = two_stores
    await store.upsert([project(1, unit(1))])
    remove_all_of(tmp_path)
    for call in (store.near(unit(1), 1, EVERYTHING), store.counts(), store.remove(PROJECT, ["p1"])):
        with pytest.raises(StoreUnavailable):
            await call
    await other.prepare(MODEL, DIMENSION)
    await other.upsert([project(2, unit(1))])
    assert await found(store) == [2]


async def test_a_locked_index_refuses_writers_and_serves_readers(tmp_path: Path):
    path = tmp_path / "vectors.sqlite"
    store = EmbeddedVectorStore(path, busy_timeout_s=0.05)
    await store.prepare(MODEL, DIMENSION)
    await store.upsert([project(1, unit(1))])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.upsert([project(2, unit(1))])
    assert await found(store) == [1]
    other.rollback()
    other.close()
    await store.upsert([project(2, unit(1))])
    assert await found(store) == [1, 2]
    await store.close()


async def test_a_query_of_another_dimension_is_a_programming_error(two_stores):
    with pytest.raises(ValueError, match="shape"):
        await two_stores[0].near(unit(1, dimension=5), 1, EVERYTHING)
