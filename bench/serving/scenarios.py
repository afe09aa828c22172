"""The scenarios: a document each, its variables, and the viewers who send it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.serving.data import HEAVY_VIEWERS

PAGE = 30
WARM = range(1, 17)
"""Numbers of the users whose rankings are stored before a measurement."""
COLD = range(17, HEAVY_VIEWERS + 1)
"""Numbers of the users whose rankings are made outdated before each measurement."""
UNSEEN_FROM = HEAVY_VIEWERS + 1

ATTRIBUTES = "id key title description type url imageUrl createdAt likeCount viewCount"
CARD = f"""{ATTRIBUTES} viewerHasLiked viewerHasSaved activity(days: 14)
      owner {{ id key username }} tools {{ id key name }} categories {{ id key name }}"""
EXPLANATION = """explanation { score summary
      contributions { signal { name label group unit } value contribution }
      adjustments { rule penalty fromRank toRank blockedBy { key title } }
      reasons { __typename id group text
        ... on SimilarToProject { similarity basis viewerAction at project { key title } }
        ... on FromOwner { projectCount owner { key username } }
        ... on StatedInterest { key name kind confidence } ... on PeopleLikeYou { count } ... on Popular { likeCount }
        ... on TrendingNow { visitorCount window usualVisitorCount } ... on Fresh { ageDays }
        ... on KeywordMatch { terms } ... on Exploration { propensity } } }"""
QUERIES = (
    "music from old radio", "teach a robot to draw", "summaries of long papers", "compare language models",
    "generate pixel art", "voice of a choir", "small models on a phone", "plan a garden with a model",
)  # fmt: skip


def page(fields: str, edge: str = "id rank score cursor", more: str = "") -> str:
    """Return the selection of a page of a feed."""
    return (
        "strategy degraded snapshotId pageInfo { endCursor hasNextPage }\n"
        f"    edges {{ {edge} node {{ {fields} }} {more} }}"
    )


@dataclass(frozen=True)
class Sent:
    """One request: the key of its user (None: nobody), and its variables."""

    user: str | None
    variables: dict[str, Any] | None = None


@dataclass(frozen=True)
class Scenario:
    """A document and those who send it.

    Parameters
    ----------
    name, document
        The name in the tables, and the GraphQL document.
    sent
        Returns the n-th request to a server, from 0. Numbers are not repeated during a run.
    clients
        Numbers of concurrent connections.
    limit
        Maximum number of requests of one measurement; None for no maximum.
    makes_cold
        Whether the rankings of the users of `COLD` are made outdated before each measurement.
    peers
        Names of the peers that answer it.
    """

    name: str
    document: str
    sent: Callable[[int], Sent]
    clients: tuple[int, ...] = (1, 8, 64)
    limit: int | None = None
    makes_cold: bool = False
    peers: tuple[str, ...] = ("yoga-postgresql", "yoga-memory")


@dataclass
class Known:
    """Facts of a data set that variables refer to; read from the gateway before the first measurement."""

    users: int
    projects: int
    answers: list[dict[str, Any]] = field(default_factory=list)
    """Answers to the onboarding questions."""
    ranked: dict[str, list[str]] = field(default_factory=dict)
    """Keys of the first twelve projects of the pages of `WARM`, by key of the user."""


def warm(n: int) -> Sent:
    """Return a request of a user whose ranking is stored."""
    return Sent(f"u{WARM[n % len(WARM)]}")


def scenarios(known: Known) -> list[Scenario]:
    """Return all scenarios, those that write last."""

    def unseen(n: int) -> Sent:
        return Sent(f"u{UNSEEN_FROM + n % (known.users - HEAVY_VIEWERS)}")

    def searching(n: int) -> Sent:
        # A number makes each text, and so each ranking, a new one; it matches no word.
        return Sent(None, {"text": f"{QUERIES[n % len(QUERIES)]} {100_000 + n}"})

    def removable(n: int) -> Sent:
        pairs = list(itertools.chain(*([(user, key) for key in keys] for user, keys in known.ranked.items())))
        user, key = pairs[n % len(pairs)]
        return Sent(user, {"key": key})

    def answering(n: int) -> Sent:
        return Sent(f"new-{n}", {"answers": known.answers})

    def acting(n: int) -> Sent:
        return Sent(f"u{UNSEEN_FROM + n % (known.users - HEAVY_VIEWERS)}", {"events": _events(n, known.projects)})

    card = f"query Card {{ forYou(first: {PAGE}) {{ {page(CARD)} }} }}"
    return [
        Scenario("attributes", f"query Attributes {{ forYou(first: {PAGE}) {{ {page(ATTRIBUTES)} }} }}", warm),
        Scenario("card", card, warm),
        Scenario(
            "explanation",
            f"query Explained {{ forYou(first: {PAGE}) {{ {page(CARD, more=EXPLANATION)} }} }}",
            warm,
        ),
        Scenario("ids", f"query Ids {{ forYou(first: {PAGE}) {{ {page('id', edge='')} }} }}", warm),
        Scenario("trending", f"query Trending {{ trending(first: {PAGE}) {{ {page(CARD)} }} }}", lambda _: Sent(None)),
        Scenario(
            "search",
            f"query Search($text: String!) {{ search(query: $text, first: {PAGE}) {{ {page(CARD)} }} }}",
            searching,
            clients=(1, 8),
            limit=100,
            peers=(),
        ),
        Scenario("cold", card, lambda n: Sent(f"u{COLD[n % len(COLD)]}"), (1, 8), len(COLD), makes_cold=True, peers=()),
        Scenario("unseen", card, unseen, (1, 8), 50, peers=()),
        Scenario(
            "remove",
            """query Remove($key: String!) { project(key: $key) { explanation {
                 whatWouldRemoveIt { text causes { __typename text } } } } }""",
            removable,
            clients=(1,),
            limit=48,
            peers=(),
        ),
        Scenario(
            "quiz",
            f"""mutation Quiz($answers: [OnboardingAnswerInput!]!) {{ submitOnboarding(answers: $answers) {{
                 saved userErrors {{ code message }} feed(first: {PAGE}) {{ {page(CARD)} }} }} }}""",
            answering,
            clients=(1, 8),
            limit=50,
            peers=(),
        ),
        Scenario(
            "interactions",
            """mutation Interactions($events: [InteractionInput!]!) { recordInteractions(events: $events) {
                 recorded results { index status userErrors { code message path } } userErrors { code message } } }""",
            acting,
            clients=(1, 8),
            limit=50,
            peers=("yoga-postgresql",),
        ),
    ]


def _events(n: int, projects: int) -> list[dict[str, Any]]:
    """Return 500 events of one request: impressions, of which each third is followed by a view."""
    first = 375 * n
    shown = [f"p{(first + number) % projects + 1}" for number in range(375)]
    events = [{"project": key, "type": "IMPRESSION", "id": f"{n}-{key}-i"} for key in shown]
    return events + [{"project": key, "type": "VIEW", "id": f"{n}-{key}-v"} for key in shown[::3]]
