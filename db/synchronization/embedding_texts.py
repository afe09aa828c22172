"""The texts that are embedded: fields of a project, profile or tool, in a fixed order with fixed separators.

A change here changes every vector and requires a rebuild of the index.
"""

from collections.abc import Iterable, Sequence

MAX_REDDIT_CHARACTERS = 500
"""Maximum characters of the text of a reddit thread."""


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
    """Return the text of a project: title, description and terms, then the reddit thread if there is a `subreddit`."""
    thread = (f"Subreddit: r/{subreddit}", thread_text[:MAX_REDDIT_CHARACTERS])
    return _join(
        title,
        description,
        " ".join(topics),
        _label("Tools", tools),
        _label("Categories", categories),
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
    """Return the text of a profile; empty if the actor has no known preference.

    Parameters
    ----------
    tools, interests
        (name, confidence from 0 to 1) of tools, and of categories and topics.
    activity
        Kinds of engagement of the last 30 days.
    use_cases, experience, own_words
        Onboarding answers: purposes, experience, and free text.
    """
    return _join(
        _label("Preferred tools", _with_confidence(tools)),
        _label("Interests", _with_confidence(interests)),
        _label("Here for", use_cases),
        _label("Experience", experience),
        _label("Looking for", own_words),
        _label("Bio", [bio]),
        _label("Recent activity", activity),
        _label("Engagement tier", [tier]),
    )


def tool_text(name: str, description: str = "", tagline: str = "", category: str = "", tags: Sequence[str] = ()) -> str:
    """Return the text of a tool: name and descriptions, then category and tags with labels."""
    return _join(name, description, tagline, _label("Category", [category]), _label("Tags", tags))


def _join(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _label(label: str, values: Iterable[str]) -> str:
    listed = ", ".join(filter(None, values))
    return f"{label}: {listed}" if listed else ""


def _with_confidence(interests: Sequence[tuple[str, float]]) -> list[str]:
    return [f"{name} ({confidence:.1f})" for name, confidence in interests]
