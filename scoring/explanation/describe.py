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
    Signal.NOVELTY: SignalDescription("New to you", "behavior", "share of its terms that you have not met, 0 to 1"),
    Signal.FATIGUE: SignalDescription("Shown to you, and passed by", "behavior", "times in a week, 0 to 10"),
    Signal.LIKE_DISMISSED: SignalDescription("Like what you dismissed", "behavior", "likeness, 0 to 1"),
    Signal.CREATED_AT: SignalDescription("Time of creation", "time", "Unix seconds"),
    Signal.AGE: SignalDescription("Age", "time", "log2(1 + hours)"),
    Signal.EVENTS_SINCE: SignalDescription("Age, in what happened since", "time", "log2(1 + first visits anywhere)"),
    Signal.NEW_SINCE_VISIT: SignalDescription("New since your last visit", "time", "log2(1 + hours), 0 if older"),
    Signal.PEOPLE_15M: SignalDescription("People just now", "people", "log2(1 + people), halved in 15 minutes"),
    Signal.PEOPLE_1D: SignalDescription("People since yesterday", "people", "log2(1 + people), halved every day"),
    Signal.PEOPLE_1H: SignalDescription("People this hour", "people", "log2(1 + people), halved every hour"),
    Signal.PEOPLE_6H: SignalDescription("People today", "people", "log2(1 + people), halved every 6 hours"),
    Signal.PEOPLE_3D: SignalDescription("People in the last days", "people", "log2(1 + people), halved every 3 days"),
    Signal.PEOPLE_14D: SignalDescription(
        "People in the last weeks", "people", "log2(1 + people), halved every 14 days"
    ),
    Signal.PEOPLE_LATELY_ALL: SignalDescription("People in two weeks", "people", "log2(1 + people)"),
    Signal.PEOPLE_RATE: SignalDescription("People for its chances", "people", "log2 of people over what was expected"),
    Signal.TASTE_OF_PEOPLE: SignalDescription("Taste of who came", "people", "mean likeness of taste, −1 to 1"),
    Signal.TASTE_OF_CROWD: SignalDescription(
        "People with your taste", "people", "likeness of taste, many counting more"
    ),
    Signal.TASTE_NOW: SignalDescription(
        "People with your taste now", "people", "likeness of taste, halved in 12 hours"
    ),
    Signal.CIRCLE_OF_PEOPLE: SignalDescription("Circles of who came", "people", "mean likeness of circles, −1 to 1"),
    Signal.CIRCLE_OF_CROWD: SignalDescription(
        "Circles like yours", "people", "likeness of circles, many people counting more"
    ),
    Signal.CIRCLE_NOW: SignalDescription("Circles like yours now", "people", "likeness of circles, halved in 12 hours"),
    Signal.TASTE_OF_PROJECT: SignalDescription("Suits your taste", "people", "likeness of taste, −1 to 1"),
    Signal.TASTE_OF_OWNER: SignalDescription("Its owner has your taste", "people", "likeness of taste, −1 to 1"),
    Signal.SAME_OWNER: SignalDescription("From an owner you know", "behavior", "log2(1 + projects you came to)"),
    Signal.COMPANY: SignalDescription(
        "What came with your last ones", "people", "log2(1 + people of your last projects)"
    ),
    Signal.NEIGHBOURS: SignalDescription("Near what you came to", "behavior", "root of summed likeness, by who came"),
    Signal.NEIGHBOURS_SHARE: SignalDescription(
        "Near what you came to", "behavior", "mean likeness by who came, 0 to 1"
    ),
    Signal.WALK: SignalDescription("A step from what you came to", "behavior", "root of a chance, 0 to 1"),
    Signal.EASE: SignalDescription("Goes with what you came to", "behavior", "sum of learned links, about −1 to 2"),
    Signal.PEOPLE_LIKE_YOU: SignalDescription("People most like you", "people", "share of their likeness, 0 to 1"),
}
