"""The three texts that are embedded, in the plan's order and with its separators. Facts in, one string out.

Changing a word here changes every vector: it asks for a rebuild of the index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REDDIT_TEXT_LIMIT = 500
"""Characters of a reddit thread's own text that are read."""


@dataclass(frozen=True, slots=True)
class ProjectText:
    """What a project's text is made of. `subreddit` and `thread_text` are empty unless it is a reddit thread."""

    title: str
    description: str = ""
    topics: Sequence[str] = ()
    tools: Sequence[str] = ()
    categories: Sequence[str] = ()
    subreddit: str = ""
    thread_text: str = ""


@dataclass(frozen=True, slots=True)
class ProfileText:
    """What a profile's text is made of.

    Attributes
    ----------
    tools, interests
        (name, confidence from 0 to 1) of the tools, and of the categories and topics.
    bio, tier
        The user's own words, and the platform's.
    activity
        The kinds of engagement of the last 30 days.
    use_cases, experience, own_words
        What was answered in the quiz: what somebody is here for, how far they are, and what they wrote themselves.
    """

    tools: Sequence[tuple[str, float]] = ()
    interests: Sequence[tuple[str, float]] = ()
    bio: str = ""
    activity: Sequence[str] = ()
    tier: str = ""
    use_cases: Sequence[str] = ()
    experience: Sequence[str] = ()
    own_words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ToolText:
    """What a tool's text is made of."""

    name: str
    description: str = ""
    tagline: str = ""
    category: str = ""
    tags: Sequence[str] = ()


def project_text(project: ProjectText) -> str:
    """Write the text of a project: what it says of itself, then its terms, then its thread."""
    thread = (f"Subreddit: r/{project.subreddit}", project.thread_text[:REDDIT_TEXT_LIMIT])
    return _joined(
        project.title,
        project.description,
        " ".join(project.topics),
        _labelled("Tools", project.tools),
        _labelled("Categories", project.categories),
        *(thread if project.subreddit else ()),
    )


def profile_text(profile: ProfileText) -> str:
    """Write the text of a profile; empty if nothing is known."""
    return _joined(
        _labelled("Preferred tools", _with_confidence(profile.tools)),
        _labelled("Interests", _with_confidence(profile.interests)),
        _labelled("Here for", profile.use_cases),
        _labelled("Experience", profile.experience),
        _labelled("Looking for", profile.own_words),
        _labelled("Bio", [profile.bio]),
        _labelled("Recent activity", profile.activity),
        _labelled("Engagement tier", [profile.tier]),
    )


def tool_text(tool: ToolText) -> str:
    """Write the text of a tool."""
    return _joined(
        tool.name,
        tool.description,
        tool.tagline,
        _labelled("Category", [tool.category]),
        _labelled("Tags", tool.tags),
    )


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _labelled(label: str, values: Iterable[str]) -> str:
    listed = ", ".join(filter(None, values))
    return f"{label}: {listed}" if listed else ""


def _with_confidence(tags: Sequence[tuple[str, float]]) -> list[str]:
    return [f"{name} ({confidence:.1f})" for name, confidence in tags]
