"""CPU time of the limits on a normal feed query, and a check that a document is parsed and validated only once.

    .venv/bin/python -m bench.limits

The figures are CPU microseconds of this process, the minimum of several rounds.
"""

import asyncio
import time
from collections.abc import Callable
from ipaddress import ip_address

from graphql import OperationDefinitionNode, parse

from gateway.callers.authentication import Authentication
from gateway.documents.document import Document
from gateway.documents.document_cache import DocumentCache
from gateway.limit_settings import LimitSettings
from gateway.limits.budget import REQUEST_POINTS, Budgets
from gateway.limits.limits import Limits
from gateway.limits.rate_limits import MemoryRateLimitStore
from resolvers.schema import schema
from scoring.use_cases.unit_of_work import Caller

FEED = """
query Explore($first: Int = 30, $after: String) {
  forYou(first: $first, after: $after) {
    strategy snapshotId degraded
    pageInfo { hasNextPage endCursor }
    edges { rank score cursor
      node { ...Card }
      explanation { summary contributions { signal { label group } value contribution }
        adjustments { rule penalty fromRank toRank } reasons { id text group ... on Popular { likeCount } } } } }
}
fragment Card on Project { id key title description url imageUrl createdAt likeCount viewerHasLiked viewerHasSaved
  owner { username } tools { key name } categories { key name } }
"""

ROUNDS, TIMES = 7, 300


def least_us(what: Callable[[], object], times: int = TIMES) -> float:
    """Return the minimum CPU time of one call in µs."""
    rounds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(times):
            what()
        rounds.append((time.process_time() - before) / times * 1e6)
    return min(rounds)


def charging_us(authentication: Authentication, cost: int) -> float:
    """Return the CPU time in µs of charging one of 50,000 callers in memory."""
    budgets, windows = (
        Budgets(LimitSettings(rate_limit=10**9, rate_limit_address=10**9), b"secret"),
        MemoryRateLimitStore(),
    )

    async def charge_all() -> None:
        for _ in range(TIMES):
            await budgets.charge(authentication, REQUEST_POINTS + cost, windows)

    async def fill() -> None:
        for number in range(50_000):
            await windows.spend(str(number), 1, 10)

    asyncio.run(fill())
    return least_us(lambda: asyncio.run(charge_all()), times=1) / TIMES


def main() -> None:
    """Measure each step."""
    limits = Limits(schema._schema, LimitSettings())
    documents = DocumentCache(schema._schema, parse=limits.parse)
    for _ in range(2):  # a document is kept when it comes for the second time
        document = documents.read(FEED)
        documents.validate(document)
    kept = documents.read(FEED)
    operation = kept.operations[0]
    variables = {"first": 30, "after": None}

    def cost(of: Document, asked: OperationDefinitionNode) -> int:
        limits.check_variables(variables, is_privileged=False)
        of.analysis = of.analysis or limits.analyze(of.node)
        return limits.cost(of.analysis, asked, variables, is_privileged=False)

    def find_again() -> None:
        documents.validate(documents.read(FEED))

    points = cost(kept, operation)
    user = Authentication(Caller("ada"), address=ip_address("203.0.113.9"))
    anonymous = Authentication(Caller(session_key="s"), address=ip_address("203.0.113.9"))
    steps = {
        "parsing the document, once": least_us(lambda: parse(FEED), 50),
        "validating it, once": least_us(lambda: documents.validate(Document(FEED, kept.node)), 20),
        "measuring it, once": least_us(lambda: cost(Document(FEED, kept.node), operation), 100),
        "finding it again": least_us(find_again),
        "variables, measures and cost, each time": least_us(lambda: cost(kept, operation)),
        "charging a user": charging_us(user, points),
        "charging a session and its address": charging_us(anonymous, points),
    }
    for what, microseconds in steps.items():
        print(f"{microseconds:8.1f} µs  {what}")
    again = documents.read(FEED)
    print(f"the query costs {points:,} points; read again it is {'the same' if again is kept else 'ANOTHER'} document")


if __name__ == "__main__":
    main()
