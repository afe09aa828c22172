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
    Signal.BEHAVIORAL_SIGNALS: SignalDescription("What you did lately", "behavior", "−0.5 to 1"),
    Signal.COLLABORATIVE: SignalDescription("Liked by people like you", "people", "share of 10 people, 0 to 1"),
    Signal.POPULARITY: SignalDescription("Popular", "people", "share of 100 likes, 0 to 1"),
    Signal.LIKES: SignalDescription("Likes", "people", "likes"),
    Signal.FRESHNESS: SignalDescription("New", "time", "halves every 30 days, 0 to 1"),
    Signal.QUERY_SIMILARITY: SignalDescription("Means what you asked for", "content", "share of the score, 0 to 1"),
    Signal.KEYWORD_MATCH: SignalDescription("Has your words", "content", "share of the score, 0 to 1"),
    Signal.PROJECT_SIMILARITY: SignalDescription("Similar to this project", "content", "cosine similarity, 0 to 1"),
    Signal.PERSONAL_BOOST: SignalDescription("Similar to your profile", "stated", "cosine similarity, 0 to 1"),
    Signal.PEOPLE_OF_HOUR: SignalDescription("People within the hour", "people", "people, each by the trust in them"),
    Signal.PEOPLE_OF_DAY: SignalDescription("People today", "people", "people, each by the trust in them"),
    Signal.PEOPLE_OF_WEEK: SignalDescription("People this week", "people", "people, each by the trust in them"),
    Signal.GRAVITY: SignalDescription("Age", "time", "hours"),
    Signal.PEOPLE_LATELY: SignalDescription("People lately", "people", "people, halved every 14 days"),
    Signal.CREATED_AT: SignalDescription("Time of creation", "time", "Unix seconds"),
}
