"""The evidence of `scoring.history` from SQL: eleven statements, however many candidates; and the night."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import numpy as np

from db import neighbors as stored
from db.engine import Database
from db.errors import StoreUnavailable
from db.models import ActorTaste, ProjectNeighbours, ProjectTaste, TasteCircle
from db.pulse import pulses
from db.stores import Stores
from scoring import weights
from scoring.features import FeatureTable
from scoring.history import Arrivals, Deeds, EventLog, Evidence, Kinship, Links, Neighbours, Night, Touches, same_owner
from scoring.neighbors import night
from scoring.profile import Profile
from scoring.signals import Floats, Integers


async def load_evidence(stores: Stores, profile: Profile, table: FeatureTable, at: datetime) -> Evidence:
    """Gather what the behaviour signals read of a viewer and of candidates, as it is now.

    Returns
    -------
    Evidence
        With the floor of `weights.PEOPLE_FLOOR` people.
    """
    database = stores.database
    actor_id = profile.viewer.actor_id or 0
    ids: list[int] = table.ids.tolist()
    touched = profile.touched
    owners = sorted({int(owner) for owner in table.owners if owner >= 0})
    last, met_since = touched[: weights.SESSION_PROJECTS], at - timedelta(days=weights.SESSION_DAYS)
    deeds_since = at - timedelta(days=weights.RECENT_DEEDS_DAYS)
    most = weights.RECENT_DEEDS_MOST
    taste, people, lists, arrivals = await asyncio.gather(
        _taste_and_fellows(database, actor_id, ids),
        pulses(database, ids, at),
        stored.project_neighbours(database, touched),
        _arrivals(stores, deeds_since),
    )
    project_taste, owner_taste, own, deeds, company = await asyncio.gather(
        stored.project_tastes(database, ids),
        stored.owner_tastes(database, owners),
        stored.owners_of(database, touched),
        stored.recent_deeds(database, ids, actor_id, deeds_since, most),
        stored.company_of(database, last, actor_id, met_since, most),
    )
    mine, fellows_likeness, fellows = taste
    circles = await stored.circles(database, sorted({deed.circle for deed in deeds if deed.circle is not None}))
    rows = _Rows(table.ids)
    touch_s = {touch.project_id: touch.last_at.timestamp() for touch in profile.touches}
    recent = rows.deeds(deeds, _likenesses([deed.vector for deed in deeds], mine))
    by_owner = _by_id(owner_taste, mine)
    by_project = _by_id(project_taste, mine)
    return Evidence(
        at_s=at.timestamp(),
        created_s=at.timestamp() - table.age_days * 86_400.0,
        people=people,
        touches=Touches(np.array(touched, dtype=np.int64), np.array([touch_s[id_] for id_ in touched])),
        links=rows.links(lists, touched),
        fellows=rows.deeds(*fellows),
        fellows_likeness=fellows_likeness,
        deeds=recent,
        circles=recent._replace(similarity=_of_circles(deeds, _by_id(circles, mine))),
        company=_company(recent, company),
        arrivals=arrivals,
        project_taste=np.array([by_project.get(id_, 0.0) for id_ in ids]),
        owner_taste=np.array([by_owner.get(int(owner), 0.0) for owner in table.owners]),
        owner_touches=same_owner(table.owners, np.array([own.get(id_, -1) for id_ in touched], dtype=np.int64)),
    )


async def _taste_and_fellows(
    database: Database, actor_id: int, ids: Sequence[int]
) -> tuple[stored.Vector, float, tuple[list[stored.Deed], Floats]]:
    taste = await stored.taste_of(database, actor_id)
    likeness = dict(zip(taste.people.ids.tolist(), taste.people.likeness.tolist(), strict=True))
    found = await stored.deeds_of(database, ids, list(likeness))
    return (
        taste.vector,
        float(taste.people.likeness.sum()),
        (found, np.array([likeness[deed.actor_id] for deed in found])),
    )


async def _arrivals(stores: Stores, since: datetime) -> Arrivals:
    """Read how busy the platform was; for a minute the cache remembers it for everybody."""
    try:
        known = await stores.cache.get(_BUSY)
    except StoreUnavailable:
        known = None
    if known is None:
        known = stored.packed_arrivals(await stored.arrivals(stores.database, since))
        with suppress(StoreUnavailable):
            await stores.cache.put(_BUSY, known, weights.ARRIVALS_FRESH_S)
    at_s, people = np.frombuffer(known, dtype="<f8").reshape(2, -1)
    return Arrivals(at_s, people)


_BUSY = "arrivals"


class _Rows:
    """Where each project stands among the candidates."""

    def __init__(self, ids: Integers) -> None:
        self._row = {int(id_): row for row, id_ in enumerate(ids)}

    def deeds(self, deeds: Sequence[stored.Deed], similarity: Floats) -> Deeds:
        """Turn deeds into arrays."""
        return Deeds(
            np.array([self._row[deed.project_id] for deed in deeds], dtype=np.int64),
            np.array([deed.actor_id for deed in deeds], dtype=np.int64),
            similarity,
            np.array([deed.first_at.timestamp() for deed in deeds]),
        )

    def links(self, lists: Sequence[tuple[int, str, stored.Likened]], touched: Sequence[int]) -> dict[Kinship, Links]:
        """Turn neighbour lists of touched projects into links to candidates."""
        place = {id_: index for index, id_ in enumerate(touched)}
        made: dict[Kinship, Links] = {}
        for kind in Kinship:
            of_kind = [(place[project], one) for project, name, one in lists if name == kind]
            if of_kind:
                made[kind] = self._joined(of_kind)
        return made

    def _joined(self, lists: Sequence[tuple[int, stored.Likened]]) -> Links:
        ids = np.concatenate([one.ids for _, one in lists])
        rows = np.array([self._row.get(id_, -1) for id_ in ids.tolist()], dtype=np.int64)
        source = np.repeat([index for index, _ in lists], [one.ids.size for _, one in lists])
        likeness = np.concatenate([one.likeness for _, one in lists]).astype(np.float64)
        kept = rows >= 0
        return Links(rows[kept], source[kept].astype(np.int64), likeness[kept])


def _likenesses(vectors: Sequence[bytes | None], mine: stored.Vector) -> Floats:
    """Likeness of packed tastes to the viewer's; 0 for one that nobody knows, or of another night's length."""
    length = 2 * mine.size
    known = [index for index, vector in enumerate(vectors) if vector is not None and len(vector) == length > 0]
    likeness = np.zeros(len(vectors))
    if known:
        rows = stored.unpacked(b"".join(vectors[index] or b"" for index in known)).reshape(len(known), -1)
        likeness[known] = rows @ mine
    return likeness


def _by_id(vectors: dict[int, bytes], mine: stored.Vector) -> dict[int, float]:
    return dict(zip(vectors, _likenesses(list(vectors.values()), mine).tolist(), strict=True))


def _of_circles(deeds: Sequence[stored.Deed], likeness: dict[int, float]) -> Floats:
    """Tell each deed of its circle: the viewer's likeness to it; 0 for no circle, and for one of another night."""
    return np.array([likeness.get(deed.circle, 0.0) if deed.circle else 0.0 for deed in deeds])


def _company(deeds: Deeds, shared: dict[int, int]) -> Deeds:
    similarity = np.array([shared.get(actor, 0) for actor in deeds.people.tolist()], dtype=np.float64)
    kept = similarity > 0
    return Deeds(deeds.rows[kept], deeds.people[kept], similarity[kept], deeds.at_s[kept])


# --- the night ------------------------------------------------------------------------------------------------------


async def build_night(database: Database) -> Night:
    """Build tastes and neighbour lists of everybody from the truth, and put them in the place of the old ones.

    Safe to run again, and while feeds are served: readers see the old ones until the transaction ends.
    """
    parts = [part async for part in stored.all_engagement(database)]
    if not parts:
        parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    actors, projects, at_s = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    actor_ids, actor = np.unique(actors, return_inverse=True)
    project_ids, project = np.unique(projects, return_inverse=True)
    log = EventLog.of(actor.astype(np.int64), project.astype(np.int64), at_s, actor_ids.size, project_ids.size)
    built = await asyncio.to_thread(night, log, log.at_s.size, timed=False)
    async with database.write() as connection:
        circle = await stored.next_circle(connection)
        await stored.replace_all(connection, TasteCircle, _circle_rows(built, circle))
        await stored.replace_all(connection, ActorTaste, _actor_rows(built, actor_ids, circle))
        await stored.replace_all(connection, ProjectTaste, _project_rows(built, project_ids))
        await stored.replace_all(connection, ProjectNeighbours, _list_rows(built, project_ids))
    return built


def _circle_rows(built: Night, first: int) -> list[dict[str, object]]:
    means = built.tastes.circles[:-1]
    return [{"id": first + row, "vector": stored.packed(mean)} for row, mean in enumerate(means)]


def _actor_rows(built: Night, ids: Integers, first_circle: int) -> list[dict[str, object]]:
    lists, circle_of = built.people, built.tastes.circle_of.tolist()
    return [
        {
            "actor_id": int(id_),
            "vector": stored.packed(built.tastes.actors[row]),
            "circle": None if circle_of[row] < 0 else first_circle + circle_of[row],
            **_blobs(lists, row, ids),
        }
        for row, id_ in enumerate(ids)
    ]


def _project_rows(built: Night, ids: Integers) -> list[dict[str, object]]:
    known = np.flatnonzero(np.abs(built.tastes.projects).sum(axis=1) > 0)
    return [{"project_id": int(ids[row]), "vector": stored.packed(built.tastes.projects[row])} for row in known]


def _list_rows(built: Night, ids: Integers) -> list[dict[str, object]]:
    return [
        {"project_id": int(ids[row]), "kind": kind.value, **_blobs(lists, int(row), ids)}
        for kind, lists in built.lists.items()
        for row in np.flatnonzero(np.diff(lists.starts))
    ]


def _blobs(lists: Neighbours, row: int, ids: Integers) -> dict[str, bytes]:
    span = slice(lists.starts[row], lists.starts[row + 1])
    return {
        "neighbours": ids[lists.ids[span]].astype("<i8").tobytes(),
        "likeness": lists.similarity[span].astype("<f4").tobytes(),
    }
