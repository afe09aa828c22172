"""An explore page with Python's `gql`: two pages with explanations, and a search with the matched words.

pip install 'gql[httpx]'
python feed_page.py http://127.0.0.1:8000/graphql TOKEN
"""

import asyncio
import sys
from collections.abc import Callable

from gql import Client, gql
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport

EXPLORE_PAGE = """
query ExplorePage($after: String) {
  forYou(first: 3, after: $after) {
    strategy
    pageInfo { hasNextPage endCursor }
    edges { rank score node { key title } explanation { summary contributions { signal { label } contribution } } }
  }
}
"""

SEARCH = """
query Search($text: String!) {
  search(query: $text, first: 3) {
    strategy
    edges { node { title } explanation { reasons { ... on KeywordMatch { terms } } } }
  }
}
"""


async def feed_page(url: str, token: str, show: Callable[[str], object] = print) -> None:
    """Print two pages of For You and a search; `show` receives each line."""
    transport = HTTPXAsyncTransport(url=url, headers={"Authorization": f"Bearer {token}"})
    # The client reads the schema first and checks every document against it before anything is sent.
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        await _walk(session, show)
        await _search(session, show)
        await _go_wrong(session, show)


async def _walk(session: AsyncClientSession, show: Callable[[str], object]) -> None:
    document, after = gql(EXPLORE_PAGE), None
    for _ in range(2):
        document.variable_values = {"after": after}
        feed = (await session.execute(document))["forYou"]
        for edge in feed["edges"]:
            parts = edge["explanation"]["contributions"]
            show(f"{edge['rank']}. {edge['node']['title']}")
            show(f"   {edge['explanation']['summary']}")
            show("   " + " ".join(f"{part['signal']['label']} {part['contribution']:+.3f}" for part in parts[:3]))
            # The explanation is exact: the contributions add up to the score, to the sixth decimal.
            if round(sum(part["contribution"] for part in parts), 6) != edge["score"]:
                raise ArithmeticError(f"the parts of {edge['node']['key']} do not add up")
        after = feed["pageInfo"]["endCursor"]


async def _search(session: AsyncClientSession, show: Callable[[str], object]) -> None:
    document = gql(SEARCH)
    document.variable_values = {"text": "drum patterns"}
    found = (await session.execute(document))["search"]
    for edge in found["edges"]:
        terms = [term for reason in edge["explanation"]["reasons"] for term in reason.get("terms", ())]
        show(f"{found['strategy']}: {edge['node']['title']} {terms}")


async def _go_wrong(session: AsyncClientSession, show: Callable[[str], object]) -> None:
    document = gql(EXPLORE_PAGE)
    document.variable_values = {"after": "a cursor of one's own"}
    try:
        await session.execute(document)
    except TransportQueryError as error:
        for one in error.errors or ():
            show(f"{one['extensions']['code']} at {one['path']}: {one['message']}")


if __name__ == "__main__":
    address, bearer = sys.argv[1:3]
    asyncio.run(feed_page(address, bearer))
