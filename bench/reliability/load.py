"""A light steady load of feeds and writes. A failed write is repeated until it is acknowledged, and then recorded."""

import asyncio
import itertools
import math
import random
import time
from collections.abc import Iterable
from typing import Any

from bench.reliability.client import FEEDS, Answer, Client
from bench.reliability.ledger import Ledger

SUBJECTS = ("painting", "speech", "robots", "cooking", "finance", "chess")
PROJECTS = 120
USERS = 40
CHANGING = 60
"""Projects that the platform changes; they are not liked, because a removal would remove the like."""

RETRY_S = 0.1


def project(key: str, number: int, **fields: Any) -> dict[str, Any]:
    """Return the input of a project."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    described = {
        "title": f"{subject} with models, part {number}",
        "description": f"How we use a model for {subject} every day.",
        "type": "article",
        "tools": [f"tool-{number % 7}"],
        "categories": [subject],
    }
    return {"key": key, **described, **fields}


class Load:
    """Sends feeds and writes of a few users to a gateway, and records the answers."""

    def __init__(self, client: Client, ledger: Ledger, chance: random.Random, variety: int = 1_000_000) -> None:
        self.client, self.ledger, self.chance = client, ledger, chance
        self.answers: list[Answer] = []
        self._variety = variety
        # Random order, so that the likes of a user spread over all subjects, and no pair twice.
        pairs = list(itertools.product(range(USERS), range(PROJECTS)))
        chance.shuffle(pairs)
        self._pairs = {kind: iter(pairs) for kind in ledger.pairs}
        self._number = itertools.count(100)  # `fill` has used the first ones
        self._asked: dict[asyncio.Task[None], float] = {}

    async def fill(self) -> None:
        """Write the projects and three likes of each user, and request each feed a few times."""
        projects = [project(f"p{n:04}", n) for n in range(PROJECTS)]
        await self.until_acknowledged("upsert", "platform", "service", projects=projects)
        await asyncio.gather(*map(self._fill_user, range(USERS)))
        for number in range(10):
            for kind in FEEDS:
                await self.client.feed(kind, f"fan{number}", **feed_variables(kind, number))

    async def _fill_user(self, number: int) -> None:
        for key in range(3):
            await self.until_acknowledged("like", f"fan{number}", key=f"p{(number * 7 + key) % PROJECTS:04}")

    async def until_acknowledged(self, kind: str, user: str, role: str = "", **variables: Any) -> None:
        """Repeat a write until it is acknowledged."""
        while True:
            answer = await self.client.write(kind, user, role, **variables)
            self.answers.append(answer)
            if not answer.problem:
                return
            if answer.problem.startswith("refused"):
                raise RuntimeError(f"{kind} {variables}: {answer.problem}")
            await asyncio.sleep(RETRY_S)

    async def write(self, kind: str) -> None:
        """Write one state or event that nobody has written before."""
        user_number, project_number = next(self._pairs[kind])
        user, key = f"u{user_number}", f"p{project_number:04}"
        more = {"id": f"{user}-{key}"} if kind == "view" else {}
        await self.until_acknowledged(kind, user, key=key, **more)
        self.ledger.pairs[kind].add((user, key))

    async def change_projects(self) -> None:
        """Create, edit, hide, archive or remove a few projects."""
        numbers, fate = self.chance.sample(range(CHANGING), 3), self.chance.random()
        keys = [f"c{number}" for number in numbers]
        if fate < 0.25:
            await self.until_acknowledged("remove", "platform", "service", keys=keys)
            self.ledger.projects |= dict.fromkeys(keys)
            return
        title = f"{self.chance.choice(SUBJECTS)} changed {next(self._number) % self._variety} times"
        sent = [project(key, 0, title=title, private=fate > 0.8, archived=fate > 0.9) for key in keys]
        await self.until_acknowledged("upsert", "platform", "service", projects=sent)
        self.ledger.projects |= {one["key"]: one for one in sent}

    async def keep_writing(self, kinds: Iterable[str], pause_s: float) -> None:
        """Write one thing after another until canceled, which waits for the acknowledgement of the last one."""
        for kind in itertools.cycle(kinds):
            writing = asyncio.ensure_future(self.change_projects() if kind == "change" else self.write(kind))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise
            await asyncio.sleep(pause_s)

    async def keep_asking(self, kind: str, pause_s: float) -> None:
        """Request a feed at fixed intervals, whether or not the earlier ones have been answered."""
        while True:
            number = next(self._number)
            user = "" if kind == "trending" else f"fan{number % USERS}"
            task = asyncio.create_task(self._ask(kind, user, feed_variables(kind, number % self._variety)))
            self._asked[task] = time.monotonic()
            task.add_done_callback(self._asked.pop)
            await asyncio.sleep(pause_s)

    async def _ask(self, kind: str, user: str, variables: dict[str, str]) -> None:
        self.answers.append(await self.client.feed(kind, user, **variables))

    async def asked(self, before: float = math.inf) -> None:
        """Wait for the feeds that were requested before a time."""
        await asyncio.gather(*(task for task, at in self._asked.items() if at < before))


def feed_variables(kind: str, number: int) -> dict[str, str]:
    """Return the arguments of a feed, which no stored ranking answers if the number is new; `trending` has none."""
    if kind == "search":
        return {"text": f"{SUBJECTS[number % len(SUBJECTS)]} {number}"}
    return {"after": f"2020-01-01T00:00:00.{number:06}Z"} if kind == "forYou" else {}


async def stopped(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Stop endless tasks; raise the error of one that has failed."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
