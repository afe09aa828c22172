"""What is built of everybody's engagement at night: tastes, circles and neighbour lists, from the truth and into it."""

import asyncio

import numpy as np

from db import neighbors as stored
from db.engine import Database
from db.models import ActorTaste, ProjectNeighbours, ProjectTaste, TasteCircle
from scoring.crowd.history import EventLog, Neighbours, Night
from scoring.crowd.neighbors import night
from scoring.signals import Integers


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
