"""Descriptions of the signals, which clients show in explanations."""

from typing import NamedTuple

from scoring.mathematics.signals import Signal


class SignalDescription(NamedTuple):
    """Description of a signal."""

    label: str  # a few words for a legend
    group: str  # ``content``, ``stated``, ``behavior``, ``people`` or ``time``
    unit: str  # unit, range or transformation of the value


_COSINE = "cosine similarity, 0 to 1"
_WEIGHTED_COSINE = "cosine similarity, times how well it tells your projects from others, 0 to 1"
_SHARE = "share of the score, 0 to 1"
_TRUSTED = "people, weighted by trust"
_TASTE = "similarity of taste, −1 to 1"
_SUM = "sum of similarities over the square root of their number"
_RECENT_SUM = "sum of similarities, halved every 12 hours"

SIGNALS: dict[Signal, SignalDescription] = {
    signal: SignalDescription(*described)
    for signal, described in {
        Signal.VECTOR_SIMILARITY: ("Similar to your profile", "content", _WEIGHTED_COSINE),
        Signal.EXPLICIT_PREFERENCES: ("Matches your interests", "stated", "share of a full match, 0 to 1"),
        Signal.ANSWER_MATCHES: ("Matches your answers", "stated", "matching interests"),
        Signal.BEHAVIORAL_SIGNALS: ("Your recent activity", "behavior", "−0.5 to 1"),
        Signal.COLLABORATIVE: ("Liked by people like you", "people", "share of 10 people, 0 to 1"),
        Signal.POPULARITY: ("Popular", "people", "share of 100 likes, 0 to 1"),
        Signal.LIKES: ("Likes", "people", "likes"),
        Signal.FRESHNESS: ("New", "time", "halves every 30 days, 0 to 1"),
        Signal.QUERY_SIMILARITY: ("Close to your search in meaning", "content", _SHARE),
        Signal.KEYWORD_MATCH: ("Contains your search words", "content", _SHARE),
        Signal.PROJECT_SIMILARITY: ("Similar to this project", "content", _COSINE),
        Signal.PERSONAL_BOOST: ("Similar to your profile", "stated", _COSINE),
        Signal.TRENDING_HOUR: ("Visitors this hour", "people", _TRUSTED),
        Signal.TRENDING_DAY: ("Visitors today", "people", _TRUSTED),
        Signal.TRENDING_WEEK: ("Visitors this week", "people", _TRUSTED),
        Signal.GRAVITY: ("Age", "time", "hours"),
        Signal.RECENT_POPULARITY: ("Recent visitors", "people", "people, halved every 14 days"),
        Signal.NOVELTY: ("New to you", "behavior", "share of its terms that are new to you, 0 to 1"),
        Signal.IMPRESSION_FATIGUE: ("Shown to you, not opened", "behavior", "times in a week, 0 to 10"),
        Signal.SIMILAR_TO_DISMISSED: ("Similar to what you dismissed", "behavior", _COSINE),
        Signal.CREATED_AT: ("Date added", "time", "Unix seconds"),
        Signal.AGE: ("Age", "time", "log2(1 + hours)"),
        Signal.EVENTS_SINCE_CREATION: ("Activity since it was added", "time", "log2(1 + first visits anywhere)"),
        Signal.NEW_SINCE_VISIT: ("New since your last visit", "time", "log2(1 + hours), 0 if older"),
        Signal.ACTORS_15M: ("Visitors right now", "people", "log2(1 + people), halved every 15 minutes"),
        Signal.ACTORS_1H: ("Visitors this hour", "people", "log2(1 + people), halved every hour"),
        Signal.ACTORS_6H: ("Visitors today", "people", "log2(1 + people), halved every 6 hours"),
        Signal.ACTORS_1D: ("Visitors since yesterday", "people", "log2(1 + people), halved every day"),
        Signal.ACTORS_3D: ("Visitors in recent days", "people", "log2(1 + people), halved every 3 days"),
        Signal.ACTORS_14D: ("Visitors in recent weeks", "people", "log2(1 + people), halved every 14 days"),
        Signal.RECENT_ACTORS: ("Visitors in two weeks", "people", "log2(1 + people)"),
        Signal.ACTOR_RATE: ("Visitors compared with expected", "people", "log2 of people over expected people"),
        Signal.USER_FACTORS_MEAN: ("Taste of its visitors", "people", "mean similarity of taste, −1 to 1"),
        Signal.USER_FACTORS_SUM: ("Visitors with similar taste", "people", _SUM),
        Signal.USER_FACTORS_RECENT: ("Visitors with similar taste now", "people", _RECENT_SUM),
        Signal.TASTE_CLUSTER_MEAN: ("Groups of its visitors", "people", "mean similarity of groups, −1 to 1"),
        Signal.TASTE_CLUSTER_SUM: ("Visitors from groups like yours", "people", _SUM),
        Signal.TASTE_CLUSTER_RECENT: ("Visitors from groups like yours now", "people", _RECENT_SUM),
        Signal.ITEM_FACTORS: ("Matches your taste", "people", _TASTE),
        Signal.SAME_OWNER: ("From an owner you know", "behavior", "log2(1 + projects that you viewed)"),
        Signal.SESSION_NEIGHBORS: ("Viewed with your recent projects", "people", "log2(1 + people of those projects)"),
        Signal.ITEM_NEIGHBORS: ("Same visitors as your projects", "behavior", "square root of summed similarities"),
        Signal.ITEM_NEIGHBORS_MEAN: ("Same visitors as your projects", "behavior", "mean similarity, 0 to 1"),
        Signal.RP3BETA: ("Linked to your projects", "behavior", "square root of a probability, 0 to 1"),
        Signal.EASE: ("Goes with your projects", "behavior", "sum of learned links, about −1 to 2"),
        Signal.USER_NEIGHBORS: ("People most similar to you", "people", "share of their similarity, 0 to 1"),
    }.items()
}
