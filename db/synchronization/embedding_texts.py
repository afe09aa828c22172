"""The texts that are embedded, in the specification's order and with its separators.

A change here changes every vector and requires a rebuild of the index.
"""

from collections.abc import Iterable, Sequence

REDDIT_TEXT_LIMIT = 500
"""Characters used of a reddit thread's own text."""


def project_text(
    title: str,
    description: str = "",
    *,
    topics: Sequence[str] = (),
    tools: Sequence[str] = (),
    categories: Sequence[str] = (),
    subreddit: str = "",
    thread_text: str = "",
) -> str:
    """Return the text of a project: its own words, its terms, then its reddit thread if `subreddit` is given."""
    thread = (f"Subreddit: r/{subreddit}", thread_text[:REDDIT_TEXT_LIMIT])
    return _joined(
        title,
        description,
        " ".join(topics),
        _labeled("Tools", tools),
        _labeled("Categories", categories),
        *(thread if subreddit else ()),
    )


def profile_text(
    *,
    tools: Sequence[tuple[str, float]] = (),
    interests: Sequence[tuple[str, float]] = (),
    bio: str = "",
    activity: Sequence[str] = (),
    tier: str = "",
    use_cases: Sequence[str] = (),
    experience: Sequence[str] = (),
    own_words: Sequence[str] = (),
) -> str:
    """Return the text of a profile; empty if nothing is known.

    Parameters
    ----------
    tools, interests
        (name, confidence from 0 to 1) of the tools, and of the categories and topics.
    activity
        Kinds of engagement of the last 30 days.
    use_cases, experience, own_words
        Onboarding answers: purposes, experience, and free text.
    """
    return _joined(
        _labeled("Preferred tools", _with_confidence(tools)),
        _labeled("Interests", _with_confidence(interests)),
        _labeled("Here for", use_cases),
        _labeled("Experience", experience),
        _labeled("Looking for", own_words),
        _labeled("Bio", [bio]),
        _labeled("Recent activity", activity),
        _labeled("Engagement tier", [tier]),
    )


def tool_text(name: str, description: str = "", tagline: str = "", category: str = "", tags: Sequence[str] = ()) -> str:
    """Return the text of a tool."""
    return _joined(name, description, tagline, _labeled("Category", [category]), _labeled("Tags", tags))


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _labeled(label: str, values: Iterable[str]) -> str:
    listed = ", ".join(filter(None, values))
    return f"{label}: {listed}" if listed else ""


def _with_confidence(tags: Sequence[tuple[str, float]]) -> list[str]:
    return [f"{name} ({confidence:.1f})" for name, confidence in tags]
