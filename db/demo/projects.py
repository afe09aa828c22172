"""The 600 projects of the demo: whose they are, when they came, and where they point."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.demo.content import Idea, categories, home_categories
from db.demo.latent_interests import about
from db.demo.people import Person
from db.records import ProjectRecord

TAKING_OFF = "taking-off"
FADING = "fading"

OWNED_BY_OWNER = 12
_TAKING_OFF_AGE = timedelta(days=33)
_FADING_AGE = timedelta(days=40)
_PRIVATE = 14
_ARCHIVED = 12
_SECOND_CATEGORY = 0.45
"""How often a project stands in the category of one of its tools as well."""

_USED_FOR_ANYTHING = frozenset(
    {
        "deepseek", "docker", "ffmpeg", "gradio", "hugging-face", "llama", "pandas", "pytorch", "qwen",
        "raspberry-pi", "streamlit", "transformers",
    }
)  # fmt: skip
"""Tools that say little about what a project is about: they put it into no second category."""

SPECIAL = (
    Idea(
        "github_repo",
        "Pocket newsroom: a radio bulletin from your own feeds, read aloud at breakfast",
        "Collects what you follow, drops what you have heard, and speaks five calm minutes on a board the size of a "
        "biscuit. Nothing leaves the kitchen.",
        ("piper", "ollama", "raspberry-pi"), ("speech", "automation"), ("radio", "offline"), TAKING_OFF,
    ),
    Idea(
        "reddit_thread",
        "I let twelve models plan my grandmother's 90th birthday",
        "Same brief, same guests, same budget. Three of them invited people who are dead, one booked a brass band. "
        "She picked the winner herself.",
        ("chatgpt", "claude", "gemini"), ("prompts", "evaluation"), ("comparison", "family"), FADING,
    ),
)  # fmt: skip
"""The one that is taking off and the one that fades; `events` writes their history."""

DIFFICULT = (
    Idea("github_repo", "scratchpad", "", (), (), ()),
    Idea(
        "article",
        "مساعد صغير لتلخيص المخطوطات القديمة",
        "تجربة شهر مع مكتبة العائلة: ما الذي قرأه النموذج جيدا، وأين احتجنا إلى جدي.",
        ("gemini", "transformers"), ("rag", "vision"), ("ocr", "history"), "old-manuscripts-in-arabic",
    ),
    Idea(
        "prompt",
        '🎨 Draw <b>bold</b> & "quoted" words — 3 < 5, isn\'t it? 😅',
        "For testing whether a page survives its own titles: tags, ampersands, quotes & <script>alert('tea')</script>.",
        ("chatgpt",), ("prompts", "images"), ("testing",), "draw-bold-and-quoted-words",
    ),
    Idea(
        "article",
        "Everything I wish somebody had told me before I spent eleven months, four graphics cards and most of my "
        "weekends on teaching a small language model the dialect of my village, including the part where it started "
        "to swear, the part where the mayor found out, and the part where it finally told my aunt's joke correctly",
        "A long title for a long story. The joke is at the end.",
        ("unsloth", "whisper", "llama"), ("fine-tuning", "speech"), ("dialects", "minority-languages"),
        "teaching-a-model-the-dialect-of-my-village",
    ),
)  # fmt: skip
"""What every page has to survive: nothing to go by, right-to-left script, markup and emoji, and no end."""

_CLOSINGS = (
    "Happy to share the set-up if anybody wants it.",
    "I will answer in the evening, on shift until six.",
    "Not selling anything, just stuck.",
    "Edit: thank you all, trying the second suggestion tonight.",
    "Numbers and pictures in the comments.",
    "Please be kind, this is my first post here.",
    "Curious how others see it.",
    "If this was asked last week, a link is enough.",
    "I have read the wiki, it stops just before my problem.",
    "Will report back in a month.",
    "Also open to being told that I am holding it wrong.",
    "My weekend depends on you.",
)
_LANGUAGES = ("Python", "Python", "Python", "TypeScript", "TypeScript", "Rust", "Go", "C++", "Kotlin")
_LICENCES = ("MIT", "MIT", "Apache-2.0", "Apache-2.0", "GPL-3.0", "BSD-3-Clause")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an idea has come to stand: everything about a project but its words."""

    owner: str
    created_at: datetime
    private: bool
    archived: bool


def make_projects(people: Sequence[Person], now: datetime, rng: np.random.Generator) -> tuple[ProjectRecord, ...]:
    """Make all 600 projects: the two special ones, the four difficult ones, then one for each idea in `material/`."""
    ordinary = [idea for category in categories() for idea in category.ideas]
    ideas = [_with_second_category(rng, idea) for idea in (*SPECIAL, *DIFFICULT, *ordinary)]
    owners = _owners(rng, people, ideas)
    created = _creation_times(rng, now, len(ideas))
    private, archived = _withdrawn(rng, owners)
    subreddits = {category.record.key: category.subreddits for category in categories()}
    projects = []
    for i, idea in enumerate(ideas):
        place = _Place(owners[i], created[i], i in private, i in archived)
        projects.append(_project(rng, idea, place, subreddits))
    return tuple(projects)


def slug(title: str, longest: int = 80) -> str:
    """Make a key from a title: lower case, words joined by hyphens, cut at a word."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower().replace("'", "").replace("é", "e")).strip("-")
    return words if len(words) <= longest else words[: longest + 1].rpartition("-")[0]


def affinities(people: Sequence[Person], projects: Sequence[ProjectRecord | Idea]) -> NDArray[np.float64]:
    """Tell how well each project (column) fits each person (row), 0 to 1."""
    tastes = np.array([person.taste for person in people])
    subjects = np.array([about(project.categories, project.tools) for project in projects])
    best = tastes.max(axis=1, keepdims=True)
    fit: NDArray[np.float64] = np.divide(tastes, best, out=np.zeros_like(tastes), where=best > 0) @ subjects.T
    return np.minimum(fit, 1.0)


def _with_second_category(rng: np.random.Generator, idea: Idea) -> Idea:
    homes = (home_categories().get(tool) for tool in idea.tools if tool not in _USED_FOR_ANYTHING)
    home = next((home for home in homes if home and home not in idea.categories), None)
    if len(idea.categories) != 1 or home is None or rng.random() > _SECOND_CATEGORY:
        return idea
    return Idea(idea.type, idea.title, idea.description, idea.tools, (*idea.categories, home), idea.topics, idea.key)


def _owners(rng: np.random.Generator, people: Sequence[Person], ideas: Sequence[Idea]) -> list[str]:
    """Give each idea to somebody whom it suits; most people publish nothing, a few publish a lot."""
    fit = affinities(people, ideas)
    keys = [person.record.key for person in people]
    productive = rng.lognormal(0.0, 1.0, len(people)) * (rng.random(len(people)) < 0.6)
    productive[:6] = 0.0  # of the six demo viewers one alone owns anything
    # A little of everything, so that an idea which suits nobody finds an owner too.
    odds = (fit**2 + 0.01) * productive[:, None]
    owners = [keys[int(rng.choice(len(keys), p=column / column.sum()))] for column in odds.T]
    suiting = fit[keys.index("owner")] + 0.2 * rng.random(len(ideas))
    suiting[: len(SPECIAL) + len(DIFFICULT)] = -1
    for i in np.argsort(-suiting, kind="stable")[:OWNED_BY_OWNER]:
        owners[int(i)] = "owner"
    return owners


def _creation_times(rng: np.random.Generator, now: datetime, count: int) -> list[datetime]:
    """Spread creation over 14 months, two fifths of it over the last 60 days."""
    recent = rng.random(count) < 0.4
    ages_days = np.where(recent, 60 * rng.random(count) ** 1.3, rng.uniform(60, 425, count))
    times = [now - timedelta(seconds=int(86_400 * max(age, 0.05))) for age in ages_days]
    times[0], times[1] = now - _TAKING_OFF_AGE, now - _FADING_AGE
    return times


def _withdrawn(rng: np.random.Generator, owners: Sequence[str]) -> tuple[set[int], set[int]]:
    """Choose what is private and what is archived; one project of `owner` is a private draft."""
    first = len(SPECIAL) + len(DIFFICULT)
    others = [i for i in range(first, len(owners)) if owners[i] != "owner"]
    chosen = [int(i) for i in rng.choice(others, _PRIVATE + _ARCHIVED, replace=False)]
    return {*chosen[:_PRIVATE], owners.index("owner")}, set(chosen[_PRIVATE:])


def _project(
    rng: np.random.Generator, idea: Idea, place: _Place, subreddits: dict[str, tuple[str, ...]]
) -> ProjectRecord:
    key = idea.key or slug(idea.title)
    source = _source(rng, idea, subreddits)
    return ProjectRecord(
        key=key,
        title=idea.title,
        description=idea.description,
        type=idea.type,
        tools=idea.tools,
        categories=idea.categories,
        topics=idea.topics,
        owner=place.owner,
        url=_url(idea, key, place.owner, source),
        created_at=place.created_at,
        private=place.private,
        archived=place.archived,
        source=source,
    )


def _source(rng: np.random.Generator, idea: Idea, subreddits: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Give what the place of origin knows about it; its own counts, not this platform's."""
    match idea.type:
        case "reddit_thread":
            return {
                "subreddit": str(rng.choice(subreddits[idea.categories[0]])),
                "selftext": f"{idea.description} {rng.choice(_CLOSINGS)}",
                "score": int(rng.lognormal(4.0, 1.2)),
                "comments": int(rng.lognormal(3.0, 1.0)),
            }
        case "github_repo":
            return {
                "stars": int(rng.lognormal(4.5, 1.5)),
                "language": str(rng.choice(_LANGUAGES)),
                "license": str(rng.choice(_LICENCES)),
            }
        case "article":
            return {"reading_minutes": int(rng.integers(3, 22))}
        case _:
            return {"copies": int(rng.lognormal(3.5, 1.0))}


def _url(idea: Idea, key: str, owner: str, source: dict[str, Any]) -> str:
    match idea.type:
        case "reddit_thread":
            return f"https://reddit.example/r/{source['subreddit']}/comments/{key.replace('-', '_')}"
        case "github_repo":
            return f"https://github.example/{owner}/{slug(idea.title.partition(':')[0])}"
        case "article":
            return f"https://blog.example/{owner}/{key}"
        case _:
            return f"https://prompts.example/{key}"
