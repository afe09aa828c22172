"""Ranks that four attacks reach for a project in trending, with and without the defenses.

    python -m bench.attacks

The data are the demo (60 days) and one project without activity that the attackers promote. Each attack sends its
interactions through `recordInteractions`. "Events" ranks by the interactions of the last 24 hours; "people" is the
formula of the product with full trust in every account; "trust" is the ranking of the product. The number of counted
actors, at a half-life of 6 hours, follows in brackets. The seed of the demo and the project are fixed; the demo ends at
the present, so ranks differ a little from day to day. The exit code is 1 if an attack reaches ranks that it must not.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from db.cache.embedded import EmbeddedCache
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.demo import generate, load
from db.demo.data import SEED, DemoData
from db.embeddings.wordllama import WordLlamaEmbedder
from db.interactions.decayed_counters import decayed_counts, recount_slices
from db.models import Engagement, Interaction, Project, now
from db.schema import migrate
from db.stores import Stores
from db.vectors.embedded import EmbeddedVectorStore
from resolvers.common.context import Context
from resolvers.schema import schema
from scoring.feeds import Feeds
from scoring.mathematics.velocity import Window
from scoring.pipelines import trending
from scoring.use_cases.unit_of_work import Caller

QUERY = "mutation ($events: [InteractionInput!]!) { recordInteractions(events: $events) { recorded } }"
TARGET = "newsletter-that-respects-the-reader"
"""An old project without recent activity."""
Call = tuple[Caller, list[dict[str, str]]]
Attack = Callable[[DemoData, str], AsyncIterator[Call]]


def view(project: str, type_: str = "VIEW", minutes_ago: float = 0.0) -> dict[str, str]:
    """Return one interaction."""
    return {"project": project, "type": type_, "at": (now() - timedelta(minutes=minutes_ago)).isoformat()}


async def fresh_accounts(_: DemoData, target: str) -> AsyncIterator[Call]:
    """Yield the calls of 200 accounts created today, all in one network."""
    for n in range(200):
        yield Caller(user_key=f"fresh-{n}", network="farm"), [view(target), view(target, "LIKE")]


async def scattered_sessions(_: DemoData, target: str) -> AsyncIterator[Call]:
    """Yield the calls of 200 sessions without account, each in a network of its own."""
    for n in range(200):
        yield Caller(session_key=f"session-{n}", network=f"home-{n}"), [view(target)]


async def ring(data: DemoData, target: str) -> AsyncIterator[Call]:
    """Yield the calls of 20 old, cooperating accounts in 20 networks."""
    for n, user in enumerate(data.users[:20]):
        yield Caller(user_key=user.key, network=f"ring-{n}"), [view(target), view(target, "LIKE")]


async def bot(_: DemoData, target: str) -> AsyncIterator[Call]:
    """Yield the calls of one account that sends 10,000 views, one every six minutes."""
    events = [view(target, minutes_ago=6.0 * n % 10_000) for n in range(10_000)]
    for start in range(0, len(events), 500):
        yield Caller(user_key="bot"), events[start : start + 500]


ATTACKS: tuple[tuple[str, Attack, int], ...] = (
    ("200 fresh accounts, one prefix", fresh_accounts, 20),
    ("200 sessions, 200 networks", scattered_sessions, 20),
    ("20 old accounts in a ring", ring, 10),
    ("one bot with 10,000 views", bot, 20),
)
"""Name, attack, and the number of first ranks that the attack must not reach."""


async def place(database: Database, target: str) -> tuple[int, str]:
    """Return the rank of the project in trending, as number and as text."""
    ranking = await trending.rank(database, Window.DAY, ProjectFilter(), now())
    (project_id,) = [row.id for row in await database.fetch(select(Project.id).where(Project.key == target))]
    ids = ranking.ids.tolist()
    if project_id not in ids:
        return len(ids) + 1, f"behind all {len(ids)}"
    rank = ids.index(project_id) + 1
    return rank, str(rank)


async def place_by_events(database: Database, target: str) -> str:
    """Return the rank of the project by the number of interactions of the last day."""
    counts = (
        select(Project.key, func.count().label("n"))
        .join(Interaction, Interaction.project_id == Project.id)
        .where(Interaction.at > now() - timedelta(days=1))
        .group_by(Project.key)
        .order_by(func.count().desc())
    )
    keys = [row.key for row in await database.fetch(counts)]
    return str(keys.index(target) + 1) if target in keys else f"behind all {len(keys)}"


async def run(name: str, attack: Attack, limit: int, folder: Path) -> bool:
    """Run one attack on a new demo database, print the ranks, and return whether the defense held."""
    database = Database(f"sqlite:///{folder}/truth.sqlite")
    await migrate(database)
    data = generate(now(), SEED)
    await load(database, data)
    stores = Stores(
        database,
        EmbeddedVectorStore(folder / "vectors.sqlite"),
        WordLlamaEmbedder(),
        EmbeddedCache(folder / "cache.sqlite"),
    )
    target = TARGET
    _, before = await place(database, target)
    async for caller, events in attack(data, target):
        context = Context(stores, caller, feeds=Feeds(stores))
        answer = await schema.execute(QUERY, {"events": events}, context_value=context)
        if answer.errors:
            raise RuntimeError(answer.errors[0].message)
    (rank, trusted), by_events = await place(database, target), await place_by_events(database, target)
    ids = [row.id for row in await database.fetch(select(Project.id).where(Project.key == target))]
    counted = (await decayed_counts(database, ids, now()))[0, 1]
    async with database.write() as connection:
        await connection.execute(update(Engagement).values(weight=1.0))
    async for _ in recount_slices(database, now()):
        pass
    _, believed = await place(database, target)
    people = (await decayed_counts(database, ids, now()))[0, 1]
    print(
        f"{name:<32} before {before:<15} events {by_events:<4} people {believed:<4} ({people:.1f}) "
        f"trust {trusted} ({counted:.1f}) {'' if rank > limit else f'FAILED: in the first {limit}'}"
    )
    await stores.close()
    return rank > limit


async def main() -> bool:
    """Run all attacks; return whether the defense held against each."""
    held = []
    for name, attack, limit in ATTACKS:
        with tempfile.TemporaryDirectory() as folder:
            held.append(await run(name, attack, limit, Path(folder)))
    return all(held)


if __name__ == "__main__":
    sys.exit(not asyncio.run(main()))
