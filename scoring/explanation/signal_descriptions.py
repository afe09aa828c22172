"""What the signals are called, for people: the words beside the numbers of an explanation."""

from dataclasses import dataclass

from scoring.weights import Signal


@dataclass(frozen=True, slots=True)
class SignalDescription:
    """How a signal is shown.

    Attributes
    ----------
    label
        A few words for a legend.
    group
        ``content``, ``stated``, ``behavior``, ``people`` or ``time``.
    unit
        What its value counts.
    """

    label: str
    group: str
    unit: str


SIGNALS: dict[Signal, SignalDescription] = {
    Signal.VECTOR_SIMILARITY: SignalDescription("Similar to your profile", "content", "cosine similarity, 0 to 1"),
    Signal.EXPLICIT_PREFERENCES: SignalDescription("Matches your interests", "stated", "share of a full match, 0 to 1"),
    Signal.ANSWER_MATCHES: SignalDescription("Matches your answers", "stated", "interests it carries"),
    Signal.BEHAVIORAL_SIGNALS: SignalDescription("Your recent activity", "behavior", "−0.5 to 1"),
    Signal.COLLABORATIVE: SignalDescription("Liked by people like you", "people", "share of 10 people, 0 to 1"),
    Signal.POPULARITY: SignalDescription("Popular", "people", "share of 100 likes, 0 to 1"),
    Signal.LIKES: SignalDescription("Likes", "people", "likes"),
    Signal.FRESHNESS: SignalDescription("New", "time", "halves every 30 days, 0 to 1"),
    Signal.QUERY_SIMILARITY: SignalDescription(
        "Close to your search in meaning", "content", "share of the score, 0 to 1"
    ),
    Signal.KEYWORD_MATCH: SignalDescription("Contains your search words", "content", "share of the score, 0 to 1"),
    Signal.PROJECT_SIMILARITY: SignalDescription("Similar to this project", "content", "cosine similarity, 0 to 1"),
    Signal.PERSONAL_BOOST: SignalDescription("Similar to your profile", "stated", "cosine similarity, 0 to 1"),
    Signal.TRENDING_HOUR: SignalDescription("Visitors this hour", "people", "people, each by the trust in them"),
    Signal.TRENDING_DAY: SignalDescription("Visitors today", "people", "people, each by the trust in them"),
    Signal.TRENDING_WEEK: SignalDescription("Visitors this week", "people", "people, each by the trust in them"),
    Signal.GRAVITY: SignalDescription("Age", "time", "hours"),
    Signal.RECENT_POPULARITY: SignalDescription("Recent visitors", "people", "people, halved every 14 days"),
    Signal.NOVELTY: SignalDescription("New to you", "behavior", "share of its terms that you have not met, 0 to 1"),
    Signal.IMPRESSION_FATIGUE: SignalDescription("Shown to you, not opened", "behavior", "times in a week, 0 to 10"),
    Signal.SIMILAR_TO_DISMISSED: SignalDescription("Similar to what you dismissed", "behavior", "likeness, 0 to 1"),
    Signal.CREATED_AT: SignalDescription("Date added", "time", "Unix seconds"),
    Signal.AGE: SignalDescription("Age", "time", "log2(1 + hours)"),
    Signal.EVENTS_SINCE_CREATION: SignalDescription(
        "Activity since it was added", "time", "log2(1 + first visits anywhere)"
    ),
    Signal.NEW_SINCE_VISIT: SignalDescription("New since your last visit", "time", "log2(1 + hours), 0 if older"),
    Signal.ACTORS_15M: SignalDescription("Visitors right now", "people", "log2(1 + people), halved in 15 minutes"),
    Signal.ACTORS_1D: SignalDescription("Visitors since yesterday", "people", "log2(1 + people), halved every day"),
    Signal.ACTORS_1H: SignalDescription("Visitors this hour", "people", "log2(1 + people), halved every hour"),
    Signal.ACTORS_6H: SignalDescription("Visitors today", "people", "log2(1 + people), halved every 6 hours"),
    Signal.ACTORS_3D: SignalDescription("Visitors in recent days", "people", "log2(1 + people), halved every 3 days"),
    Signal.ACTORS_14D: SignalDescription(
        "Visitors in recent weeks", "people", "log2(1 + people), halved every 14 days"
    ),
    Signal.RECENT_ACTORS: SignalDescription("Visitors in two weeks", "people", "log2(1 + people)"),
    Signal.ACTOR_RATE: SignalDescription(
        "Visitors compared with expected", "people", "log2 of people over what was expected"
    ),
    Signal.USER_FACTORS_MEAN: SignalDescription("Taste of its visitors", "people", "mean likeness of taste, −1 to 1"),
    Signal.USER_FACTORS_SUM: SignalDescription(
        "Visitors with similar taste", "people", "likeness of taste, many counting more"
    ),
    Signal.USER_FACTORS_RECENT: SignalDescription(
        "Visitors with similar taste now", "people", "likeness of taste, halved in 12 hours"
    ),
    Signal.TASTE_CLUSTER_MEAN: SignalDescription(
        "Groups of its visitors", "people", "mean likeness of circles, −1 to 1"
    ),
    Signal.TASTE_CLUSTER_SUM: SignalDescription(
        "Visitors from groups like yours", "people", "likeness of circles, many people counting more"
    ),
    Signal.TASTE_CLUSTER_RECENT: SignalDescription(
        "Visitors from groups like yours now", "people", "likeness of circles, halved in 12 hours"
    ),
    Signal.ITEM_FACTORS: SignalDescription("Matches your taste", "people", "likeness of taste, −1 to 1"),
    Signal.OWNER_FACTORS: SignalDescription("Owner with similar taste", "people", "likeness of taste, −1 to 1"),
    Signal.SAME_OWNER: SignalDescription("From an owner you know", "behavior", "log2(1 + projects you came to)"),
    Signal.SESSION_NEIGHBORS: SignalDescription(
        "Viewed with your recent projects", "people", "log2(1 + people of your last projects)"
    ),
    Signal.ITEM_NEIGHBORS: SignalDescription(
        "Same visitors as your projects", "behavior", "root of summed likeness, by who came"
    ),
    Signal.ITEM_NEIGHBORS_MEAN: SignalDescription(
        "Same visitors as your projects", "behavior", "mean likeness by who came, 0 to 1"
    ),
    Signal.RP3BETA: SignalDescription("Linked to your projects", "behavior", "root of a chance, 0 to 1"),
    Signal.EASE: SignalDescription("Goes with your projects", "behavior", "sum of learned links, about −1 to 2"),
    Signal.USER_NEIGHBORS: SignalDescription("People most similar to you", "people", "share of their likeness, 0 to 1"),
}
