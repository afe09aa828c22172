"""The demo is complete, plausible and deterministic, and is loaded once."""

import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from sqlalchemy import Table, func, select

from db.database.engine import Database
from db.demo import DEMO_VIEWERS, DemoData, generate, holds_demo, is_empty, load
from db.demo.data import PREFERRED_OPTIONS
from db.demo.projects import slug
from db.models import (
    Actor,
    Base,
    Engagement,
    Interaction,
    InteractionType,
    Like,
    OutboxRow,
    Project,
    QuestionType,
    Role,
    Term,
    User,
)
from db.records import InteractionRecord, ProjectRecord

NOW = datetime(2025, 6, 1, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)
TYPES = {"github_repo", "reddit_thread", "article", "prompt"}


@pytest.fixture(scope="module")
def data() -> DemoData:
    return generate(NOW)


@pytest.fixture(scope="module")
def other_data() -> DemoData:
    return generate(NOW, seed=8)


@pytest.fixture(scope="module")
def projects(data: DemoData) -> dict[str, ProjectRecord]:
    return {project.key: project for project in data.projects}


def people_at(data: DemoData, first: timedelta, last: timedelta) -> Counter[str]:
    """Count the distinct people of each project from `first` ago to `last` ago."""
    met: dict[str, set[str]] = defaultdict(set)
    for event in data.interactions:
        if NOW - first <= when(event) <= NOW - last and event.type is not InteractionType.DISMISS:
            met[event.project].add(event.user)
    return Counter({project: len(people) for project, people in met.items()})


def when(record: InteractionRecord | ProjectRecord) -> datetime:
    """Return the time of a record, which always has one here."""
    time = record.at if isinstance(record, InteractionRecord) else record.created_at
    assert time is not None
    return time


def events_of(data: DemoData, user: str) -> list[InteractionRecord]:
    return [event for event in data.interactions if event.user == user]


# --- what there is -------------------------------------------------------------------------------------------------


def test_there_is_as_much_of_everything_as_promised(data: DemoData) -> None:
    assert (len(data.tools), len(data.categories), len(data.projects), len(data.users)) == (60, 18, 600, 300)
    counts = Counter(event.type for event in data.interactions)
    assert 45_000 <= counts[InteractionType.VIEW] <= 60_000
    assert 9_000 <= counts[InteractionType.LIKE] <= 14_000
    assert counts[InteractionType.DISMISS] >= 300
    assert min(counts[InteractionType(type_)] for type_ in ("save", "comment", "click")) >= 300


def test_the_same_time_and_seed_give_the_same_data(data: DemoData) -> None:
    assert generate(NOW) == data


def test_another_seed_gives_other_people(data: DemoData, other_data: DemoData) -> None:
    assert {user.username for user in other_data.users} != {user.username for user in data.users}
    assert [project.title for project in other_data.projects] == [project.title for project in data.projects]


def test_keys_titles_and_names_are_unique(data: DemoData) -> None:
    for names in (
        [project.key for project in data.projects],
        [project.title.casefold() for project in data.projects],
        [project.description for project in data.projects if project.description],
        [tool.key for tool in data.tools],
        [tool.name for tool in data.tools],
        [category.key for category in data.categories],
        [user.key for user in data.users],
        [user.username for user in data.users],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_reference_names_something(data: DemoData, projects: dict[str, ProjectRecord]) -> None:
    tools, categories = {tool.key for tool in data.tools}, {category.key for category in data.categories}
    users = {user.key for user in data.users}
    for project in data.projects:
        assert tools.issuperset(project.tools)
        assert categories.issuperset(project.categories)
        assert project.owner in users
    assert {event.project for event in data.interactions} <= projects.keys()
    assert {event.user for event in data.interactions} <= users
    topics = {topic for project in data.projects for topic in project.topics}
    known = {"tool": tools, "category": categories, "topic": topics}
    assert [tag for user in data.users for tag in user.interests if tag.name not in known[tag.kind]] == []


def test_every_category_has_every_type_of_project_and_every_tool_is_used(data: DemoData) -> None:
    there = Counter((project.categories[0], project.type) for project in data.projects if project.categories)
    assert {category.key for category in data.categories} == {category for category, _ in there}
    assert len(there) == 18 * len(TYPES)
    assert min(there.values()) >= 5
    assert {tool for project in data.projects for tool in project.tools} == {tool.key for tool in data.tools}


# --- how it reads --------------------------------------------------------------------------------------------------


def test_no_text_shows_that_a_machine_filled_it_in(data: DemoData) -> None:
    texts = [text for project in data.projects for text in (project.title, project.description)]
    texts += [str(project.source.get("selftext", "")) for project in data.projects]
    texts += [user.bio for user in data.users]
    texts += [text for tool in data.tools for text in (tool.name, tool.tagline, tool.description, tool.use_cases)]
    texts += [text for category in data.categories for text in (category.name, category.description)]
    assert [
        text for text in texts if re.search(r"[{}|]|  |\n|\.\.|,,|\blorem\b|placeholder|None\b|^\s|\s$", text)
    ] == []


def test_descriptions_end_like_sentences(data: DemoData) -> None:
    assert [p.description for p in data.projects if p.description and p.description[-1] not in ".?!"] == []


def test_a_page_of_titles_does_not_repeat_its_openings(data: DemoData) -> None:
    """No three words open more than 1 % of all titles: a template would."""
    openings = Counter(" ".join(project.title.casefold().split()[:3]) for project in data.projects)
    assert openings.most_common(1)[0][1] <= 6


def test_no_two_descriptions_are_nearly_the_same(data: DemoData) -> None:
    words = [frozenset(re.findall(r"\w+", p.description.casefold())) for p in data.projects if p.description]
    assert [pair for pair in combinations(words, 2) if len(pair[0] & pair[1]) > 0.6 * len(pair[0] | pair[1])] == []


def test_addresses_lie_on_example_domains(data: DemoData) -> None:
    for project in data.projects:
        assert project.type in TYPES
        assert re.match(r"https://(github|reddit|blog|prompts)\.example/[^\s]+$", project.url or "")
        assert project.image_url is None
    threads = [project for project in data.projects if project.type == "reddit_thread"]
    for thread in threads:
        assert thread.source.keys() >= {"subreddit", "selftext", "score"}
        assert f"/r/{thread.source['subreddit']}/" in (thread.url or "")


def test_keys_follow_from_titles(projects: dict[str, ProjectRecord]) -> None:
    others = {key: slug(project.title) for key, project in projects.items() if key != slug(project.title)}
    assert len(others) == 5  # the two with a script and three of the difficult ones
    assert others.keys() >= {"taking-off", "fading"}


def test_the_difficult_ones_are_there(data: DemoData) -> None:
    assert [p.title for p in data.projects if not p.description and not p.tools] == ["scratchpad"]
    assert any(re.match(r"[\u0600-\u06ff]", project.title) for project in data.projects)
    assert any("<b>" in p.title and "&" in p.title and "\N{ARTIST PALETTE}" in p.title for p in data.projects)
    assert max(len(project.title) for project in data.projects) > 250


def test_a_few_per_cent_are_private_or_archived(data: DemoData) -> None:
    assert 6 <= sum(project.private for project in data.projects) <= 30
    assert 6 <= sum(project.archived for project in data.projects) <= 30
    private = {project.key for project in data.projects if project.private}
    assert not private & {event.project for event in data.interactions}


# --- what people do ------------------------------------------------------------------------------------------------


def test_no_event_comes_before_its_project_or_after_the_end(data: DemoData, projects: dict[str, ProjectRecord]) -> None:
    assert [event for event in data.interactions if when(event) <= when(projects[event.project])] == []
    times = [when(event) for event in data.interactions]
    assert times == sorted(times)
    assert NOW - 60 * DAY <= times[0] < NOW - 59 * DAY
    assert NOW - timedelta(minutes=10) < times[-1] < NOW


def test_each_event_has_an_identity_of_its_own(data: DemoData) -> None:
    assert len({(e.user, e.project, e.type, e.at) for e in data.interactions}) == len(data.interactions)


def test_everything_a_person_likes_they_have_seen(data: DemoData) -> None:
    seen: set[tuple[str, str]] = set()
    liked: Counter[tuple[str, str]] = Counter()
    for event in data.interactions:
        pair = event.user, event.project
        if event.type is InteractionType.VIEW:
            seen.add(pair)
        elif event.type is InteractionType.DISMISS:
            assert pair not in seen
        else:
            assert pair in seen
            liked[pair] += event.type is InteractionType.LIKE
    assert max(liked.values()) == 1


def test_nobody_acts_on_what_they_own(data: DemoData, projects: dict[str, ProjectRecord]) -> None:
    own = [
        e for e in data.interactions if projects[e.project].owner == e.user and e.type is not InteractionType.DISMISS
    ]
    assert own == []


def test_projects_come_over_fourteen_months_many_of_them_lately(data: DemoData) -> None:
    ages = [(NOW - when(project)) / DAY for project in data.projects]
    assert 390 < max(ages) < 430
    assert min(ages) > 0
    assert 0.35 < sum(age < 60 for age in ages) / len(ages) < 0.55


def test_activity_and_popularity_are_long_tailed(data: DemoData) -> None:
    views = [event for event in data.interactions if event.type is InteractionType.VIEW]
    for counts in (Counter(view.user for view in views), Counter(view.project for view in views)):
        ranked = sorted(counts.values(), reverse=True)
        assert 0.25 < sum(ranked[: len(ranked) // 10]) / len(views) < 0.7


def test_people_sleep_and_rest_at_weekends(data: DemoData) -> None:
    hours = Counter(when(event).hour for event in data.interactions)
    assert max(hours.values()) > 2 * min(hours.values())
    days = Counter(when(event).weekday() for event in data.interactions if when(event) > NOW - 56 * DAY)
    assert sum(days[day] for day in (5, 6)) / 2 < 0.9 * sum(days[day] for day in range(5)) / 5


def test_people_like_what_fits_their_taste(data: DemoData, projects: dict[str, ProjectRecord]) -> None:
    """A tagged person's tags are on what they like far more often than on projects at large."""
    tags = {user.key: {tag.name for tag in user.interests} for user in data.users if user.interests}
    terms = {key: {*project.tools, *project.categories, *project.topics} for key, project in projects.items()}
    likes = [e for e in data.interactions if e.type is InteractionType.LIKE and e.user in tags]
    fitting = sum(bool(tags[like.user] & terms[like.project]) for like in likes) / len(likes)
    at_large = sum(bool(tags[like.user] & terms[key]) for like in likes[::50] for key in terms) / (
        len(likes[::50]) * len(terms)
    )
    assert fitting > 2 * at_large


def test_about_half_of_the_people_have_tags(data: DemoData) -> None:
    tagged = [user for user in data.users[6:] if user.interests]
    assert 0.4 < len(tagged) / 294 < 0.6
    for user in tagged:
        assert 2 <= len(user.interests) <= 6
        assert all(0.4 <= tag.confidence <= 1 for tag in user.interests)
    assert 0.1 < sum(not user.bio for user in data.users) / 300 < 0.3
    assert len({user.tier for user in data.users}) == 5


def test_neighbours_by_tags_like_enough_together(data: DemoData) -> None:
    """The 30 people who share most tags with `heavy` must give the collaborative signal something above its floor."""
    tags = {user.key: {(tag.kind, tag.name) for tag in user.interests} for user in data.users}
    likes: dict[str, set[str]] = defaultdict(set)
    for event in data.interactions:
        if event.type is InteractionType.LIKE:
            likes[event.user].add(event.project)
    for viewer, least in (("heavy", 40), ("narrow", 10)):
        shared = {user: len(tags[viewer] & theirs) for user, theirs in tags.items() if user != viewer}
        neighbors = sorted((user for user, n in shared.items() if n >= 2), key=lambda user: -shared[user])[:30]
        liked = Counter(project for user in neighbors for project in likes[user])
        assert sum(count >= 5 for count in liked.values()) >= least


# --- the two with a script -----------------------------------------------------------------------------------------


def test_one_project_is_taking_off(data: DemoData) -> None:
    lately = people_at(data, timedelta(hours=6), timedelta(0))
    [(first, people), (_, second)] = lately.most_common(2)
    assert first == "taking-off"
    assert people >= 80
    assert people > 3 * second
    before = people_at(data, 32 * DAY, timedelta(hours=6))["taking-off"]
    assert 5 <= before <= 20
    last_hour = people_at(data, timedelta(hours=1), timedelta(0))["taking-off"]
    first_hour = people_at(data, timedelta(hours=6), timedelta(hours=5))["taking-off"]
    assert last_hour > 3 * first_hour


def test_one_project_fades(data: DemoData) -> None:
    [(first, people), (_, second)] = people_at(data, 16 * DAY, 12 * DAY).most_common(2)
    assert first == "fading"
    assert people > 1.5 * second
    assert people_at(data, 5 * DAY, timedelta(0))["fading"] == 0


# --- the six named viewers -----------------------------------------------------------------------------------------


def test_the_named_viewers_are_who_they_say(data: DemoData, projects: dict[str, ProjectRecord]) -> None:
    users = {user.key: user for user in data.users}
    assert [viewer.key for viewer in DEMO_VIEWERS] == ["newcomer", "quiz", "heavy", "narrow", "owner", "administrator"]
    assert all(users[viewer.key].username == viewer.username for viewer in DEMO_VIEWERS)
    events = {viewer.key: events_of(data, viewer.key) for viewer in DEMO_VIEWERS}
    assert events["newcomer"] == events["quiz"] == []
    assert users["newcomer"].interests == users["quiz"].interests == ()
    assert len(events["heavy"]) >= 400
    assert len(users["heavy"].interests) >= 8
    seen = [event for event in events["narrow"] if event.type is not InteractionType.DISMISS]
    assert len(seen) >= 60
    assert {projects[event.project].categories[0] for event in seen} == {"music"}
    assert sorted(tag.kind for tag in users["narrow"].interests) == ["category", "tool", "tool"]
    assert 80 <= len(events["owner"]) <= 300
    assert Counter(project.owner for project in data.projects)["owner"] == 12
    assert 5 <= len(events["administrator"]) <= 60
    assert [user.key for user in data.users if user.role is Role.ADMINISTRATOR] == ["administrator"]
    assert users["administrator"].role is Role.ADMINISTRATOR


def test_the_quiz_viewer_wishes_for_tools_and_categories_that_there_are(data: DemoData) -> None:
    assert set(PREFERRED_OPTIONS[QuestionType.TOOL_SELECT][1]) <= {tool.key for tool in data.tools}
    assert set(PREFERRED_OPTIONS[QuestionType.CATEGORY_SELECT][1]) <= {category.key for category in data.categories}


# --- into the store ------------------------------------------------------------------------------------------------


async def count(database: Database, model: type[Base]) -> int:
    table = model.__table__
    assert isinstance(table, Table)
    [row] = await database.fetch(select(func.count()).select_from(table))
    return int(row[0])


async def test_the_demo_goes_into_an_empty_store_once(database: Database, data: DemoData, other_data: DemoData) -> None:
    short = replace(data, interactions=data.interactions[-4_000:])
    assert await is_empty(database)
    assert not await holds_demo(database)
    await load(database, short)
    assert not await is_empty(database)
    assert await holds_demo(database)
    assert await count(database, User) == 300
    assert await count(database, Project) == 600
    assert await count(database, Actor) == 300
    assert await count(database, Interaction) == 4_000
    versions = await database.fetch(select(Actor.id, Actor.version).order_by(Actor.id))
    await load(database, other_data)
    assert await count(database, User) == 300
    assert await count(database, Interaction) == 4_000
    assert await database.fetch(select(Actor.id, Actor.version).order_by(Actor.id)) == versions


async def test_the_whole_demo_arrives(sqlite_database: Database, data: DemoData) -> None:
    await load(sqlite_database, data)
    likes = Counter(e.project for e in data.interactions if e.type is InteractionType.LIKE)
    views = Counter(e.project for e in data.interactions if e.type is InteractionType.VIEW)
    for row in await sqlite_database.fetch(select(Project.key, Project.like_count, Project.view_count)):
        assert (row.like_count, row.view_count) == (likes[row.key], views[row.key])
    assert await count(sqlite_database, Like) == likes.total()
    assert await count(sqlite_database, Interaction) == len(data.interactions)
    pairs = {(e.user, e.project) for e in data.interactions if e.type is not InteractionType.DISMISS}
    assert await count(sqlite_database, Engagement) == len(pairs)
    kinds = await sqlite_database.fetch(select(OutboxRow.kind, func.count().label("rows")).group_by(OutboxRow.kind))
    assert {row.kind: row.rows for row in kinds} == {"project": 600, "profile": 300, "tool": 60}
    terms = await sqlite_database.fetch(select(Term.kind, func.count().label("rows")).group_by(Term.kind))
    counts = {row.kind: row.rows for row in terms}
    assert (counts["tool"], counts["category"]) == (60, 18)  # no tag and no project made one of its own
