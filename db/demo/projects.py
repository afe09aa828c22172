"""The 600 projects of the demo: owners, creation times, source data and URLs."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.demo.content import (
    DEMO_VIEWERS,
    Idea,
    SimulatedUser,
    categories,
    category_by_tool,
    interests,
    special_ideas,
    words,
)
from db.records import ProjectRecord
from db.time_units import DAY_S

TAKING_OFF, FADING = "taking-off", "fading"
"""Keys of the two projects with a scripted history (see `db.demo.simulation`)."""

OWNED_BY_OWNER = 12
TOOL_WEIGHT = 0.2
"""Weight of a matching tool in the match between a project and an interest; categories weigh 0.3 to 1."""

_TAKING_OFF_AGE = timedelta(days=33)
_FADING_AGE = timedelta(days=40)
_PRIVATE = 14
_ARCHIVED = 12
_SECOND_CATEGORY = 0.45
"""Probability that a project gets the category of one of its tools as second category."""

_GENERAL_TOOLS = frozenset(
    {
        "deepseek", "docker", "ffmpeg", "gradio", "hugging-face", "llama", "pandas", "pytorch", "qwen",
        "raspberry-pi", "streamlit", "transformers",
    }
)  # fmt: skip
"""Tools that are used for any subject: they do not determine a second category."""

_LANGUAGES = ("Python", "Python", "Python", "TypeScript", "TypeScript", "Rust", "Go", "C++", "Kotlin")
_LICENSES = ("MIT", "MIT", "Apache-2.0", "Apache-2.0", "GPL-3.0", "BSD-3-Clause")


def make_projects(users: Sequence[SimulatedUser], now: datetime, rng: np.random.Generator) -> tuple[ProjectRecord, ...]:
    """Return all 600 projects: the two scripted ones, the four difficult ones, then one for each idea of a category."""
    special = [idea for group in special_ideas().values() for idea in group]
    ordinary = [idea for category in categories() for idea in category.ideas]
    ideas = [_with_second_category(rng, idea) for idea in (*special, *ordinary)]
    owners = _assign_owners(rng, users, ideas, len(special))
    created = _creation_times(rng, now, len(ideas))
    private, archived = _hidden_projects(rng, owners, len(special))
    subreddits = {category.record.key: category.subreddits for category in categories()}
    projects = []
    for i, idea in enumerate(ideas):
        key = idea.key or slug(idea.title)
        source, url = _draw_source(rng, idea, subreddits, owners[i], key)
        projects.append(
            ProjectRecord(
                **idea.model_dump(exclude={"key"}),
                key=key,
                owner=owners[i],
                url=url,
                created_at=created[i],
                private=i in private,
                archived=i in archived,
                source=source,
            )
        )
    return tuple(projects)


def slug(title: str, max_length: int = 80) -> str:
    """Convert a title to a key: lower case, words joined by hyphens, truncated after a word."""
    key = re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", "").replace("é", "e")).strip("-")
    return key if len(key) <= max_length else key[: max_length + 1].rpartition("-")[0]


def affinities(users: Sequence[SimulatedUser], projects: Sequence[ProjectRecord | Idea]) -> NDArray[np.float64]:
    """Return how well each project (column) fits the taste of each user (row), 0 to 1."""
    tastes = np.array([user.taste for user in users])
    subjects = np.array([_subject(project.categories, project.tools) for project in projects])
    max_share = tastes.max(axis=1, keepdims=True)
    fit: NDArray[np.float64] = np.divide(tastes, max_share, out=np.zeros_like(tastes), where=max_share > 0) @ subjects.T
    return np.minimum(fit, 1.0)


def _subject(categories: Sequence[str], tools: Sequence[str]) -> NDArray[np.float64]:
    """Return the weight of each interest, 0 to 1, for a project with these categories and tools."""
    weights = np.zeros(len(interests()))
    for i, interest in enumerate(interests()):
        weights[i] = sum(interest.categories.get(key, 0.0) for key in categories)
        weights[i] += TOOL_WEIGHT * sum(key in interest.tools for key in tools)
    return np.minimum(weights, 1.0)


def _with_second_category(rng: np.random.Generator, idea: Idea) -> Idea:
    tool_categories = (category_by_tool().get(tool) for tool in idea.tools if tool not in _GENERAL_TOOLS)
    tool_category = next(
        (tool_category for tool_category in tool_categories if tool_category and tool_category not in idea.categories),
        None,
    )
    if len(idea.categories) != 1 or tool_category is None or rng.random() > _SECOND_CATEGORY:
        return idea
    return idea.model_copy(update={"categories": (*idea.categories, tool_category)})


def _assign_owners(
    rng: np.random.Generator, users: Sequence[SimulatedUser], ideas: Sequence[Idea], special_count: int
) -> list[str]:
    """Return the key of an owner for each idea, drawn by taste. Many users own nothing, a few own many projects."""
    fit = affinities(users, ideas)
    keys = [user.record.key for user in users]
    productivity = rng.lognormal(0.0, 1.0, len(users)) * (rng.random(len(users)) < 0.6)
    productivity[: len(DEMO_VIEWERS)] = 0.0  # of the demo viewers, only `owner` owns projects
    # The constant ensures that an idea that fits no taste gets an owner.
    odds = (fit**2 + 0.01) * productivity[:, None]
    owners = [keys[int(rng.choice(len(keys), p=column / column.sum()))] for column in odds.T]
    owner_fit = fit[keys.index("owner")] + 0.2 * rng.random(len(ideas))
    owner_fit[:special_count] = -1
    for i in np.argsort(-owner_fit, kind="stable")[:OWNED_BY_OWNER]:
        owners[int(i)] = "owner"
    return owners


def _creation_times(rng: np.random.Generator, now: datetime, count: int) -> list[datetime]:
    """Draw creation times in the last 14 months, 40 % of them in the last 60 days."""
    recent = rng.random(count) < 0.4
    ages_days = np.where(recent, 60 * rng.random(count) ** 1.3, rng.uniform(60, 425, count))
    times = [now - timedelta(seconds=int(DAY_S * max(age, 0.05))) for age in ages_days]
    times[0], times[1] = now - _TAKING_OFF_AGE, now - _FADING_AGE
    return times


def _hidden_projects(rng: np.random.Generator, owners: Sequence[str], special_count: int) -> tuple[set[int], set[int]]:
    """Draw the indices of the private and of the archived projects. One project of `owner` is private."""
    candidates = [i for i in range(special_count, len(owners)) if owners[i] != "owner"]
    hidden_indexes = [int(i) for i in rng.choice(candidates, _PRIVATE + _ARCHIVED, replace=False)]
    return {*hidden_indexes[:_PRIVATE], owners.index("owner")}, set(hidden_indexes[_PRIVATE:])


def _draw_source(
    rng: np.random.Generator, idea: Idea, subreddits: dict[str, tuple[str, ...]], owner: str, key: str
) -> tuple[dict[str, Any], str]:
    """Return the data that the source of a project would provide, such as stars or comments, and the project's URL."""
    match idea.type:
        case "reddit_thread":
            subreddit = str(rng.choice(subreddits[idea.categories[0]]))
            return {
                "subreddit": subreddit,
                "selftext": f"{idea.description} {rng.choice(words('closings'))}",
                "score": int(rng.lognormal(4.0, 1.2)),
                "comments": int(rng.lognormal(3.0, 1.0)),
            }, f"https://reddit.example/r/{subreddit}/comments/{key.replace('-', '_')}"
        case "github_repo":
            return {
                "stars": int(rng.lognormal(4.5, 1.5)),
                "language": str(rng.choice(_LANGUAGES)),
                "license": str(rng.choice(_LICENSES)),
            }, f"https://github.example/{owner}/{slug(idea.title.partition(':')[0])}"
        case "article":
            return {"reading_minutes": int(rng.integers(3, 22))}, f"https://blog.example/{owner}/{key}"
        case _:
            return {"copies": int(rng.lognormal(3.5, 1.0))}, f"https://prompts.example/{key}"
