"""The evidence of `scoring.crowd.history` from SQL: a fixed number of statements for each part, whatever it is of."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from db import neighbors as stored
from db.activity.pulse import HALF_LIVES_S, pulses
from db.errors import StoreUnavailable
from db.stores import Stores
from scoring import weights
from scoring.crowd.behaviour import parts_read
from scoring.crowd.history import (
    NO_ARRIVALS,
    NO_DEEDS,
    NO_LINKS,
    Arrivals,
    Deeds,
    Evidence,
    Kinship,
    Links,
    Part,
    Touches,
    same_owner,
)
from scoring.crowd.recent_deeds import RecentDeeds
from scoring.features import FeatureTable
from scoring.signals import Floats, Integers
from scoring.viewers.profile import Profile
from scoring.weights import Signal

_LISTS = {Part.COSINE: Kinship.COSINE, Part.WALK: Kinship.WALK, Part.EASE: Kinship.EASE}
_OF_TASTE = Part.TASTES | Part.CIRCLES | Part.FELLOWS | Part.PROJECT_TASTE | Part.OWNER_TASTE
"""What cannot be read before the viewer's own taste is."""


async def load_evidence(
    stores: Stores,
    profile: Profile,
    table: FeatureTable,
    at: datetime,
    signals: Iterable[Signal],
    recent: RecentDeeds | None = None,
) -> Evidence:
    """Gather what some behaviour signals read of a viewer and of candidates, as it is now.

    Parameters
    ----------
    recent
        What has been read of others' deeds already; None to read all of them.

    Returns
    -------
    Evidence
        With the floor of `weights.PEOPLE_FLOOR` people; what none of the signals reads is empty.
    """
    recent = recent or RecentDeeds(stores.database, profile.viewer.actor_id or 0, at)
    asked = _Asked(stores, profile, table, at, parts_read(signals), recent)
    taste = await stored.taste_of(stores.database, asked.actor_id) if asked.parts & _OF_TASTE else stored.NO_TASTE
    people, links, arrivals, (fellows, fellows_likeness), (others, by_project, by_owner, owned) = await asyncio.gather(
        _people(asked),
        _links(asked),
        _arrivals(asked),
        _fellows(asked, taste),
        asyncio.gather(
            _others(asked, taste), _project_taste(asked, taste), _owner_taste(asked, taste), _owner_touches(asked)
        ),
    )
    return Evidence(
        at_s=at.timestamp(),
        created_s=at.timestamp() - table.age_days * 86_400.0,
        people=people,
        touches=asked.touches,
        links=links,
        fellows=fellows,
        fellows_likeness=fellows_likeness,
        deeds=others.deeds,
        circles=others.circles,
        company=others.company,
        arrivals=arrivals,
        project_taste=by_project,
        owner_taste=by_owner,
        owner_touches=owned,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What evidence is asked for."""

    stores: Stores
    profile: Profile
    table: FeatureTable
    at: datetime
    parts: Part
    recent: RecentDeeds

    @property
    def actor_id(self) -> int:
        """The viewer's; 0 for somebody who has done nothing yet."""
        return self.profile.viewer.actor_id or 0

    @property
    def ids(self) -> list[int]:
        """The candidates' ids."""
        ids: list[int] = self.table.ids.tolist()
        return ids

    @property
    def touches(self) -> Touches:
        """What the viewer touched, the latest first."""
        touch_s = {touch.project_id: touch.last_at.timestamp() for touch in self.profile.touches}
        touched = self.profile.touched
        return Touches(np.array(touched, dtype=np.int64), np.array([touch_s[id_] for id_ in touched]))


async def _people(asked: _Asked) -> Floats:
    if Part.PEOPLE not in asked.parts:
        return np.zeros((asked.table.ids.size, len(HALF_LIVES_S)))
    return await pulses(asked.stores.database, asked.ids, asked.at)


async def _links(asked: _Asked) -> dict[Kinship, Links]:
    """Read the neighbour lists of touched projects, and keep what leads to a candidate."""
    kinds = [kind for part, kind in _LISTS.items() if part in asked.parts]
    touched = asked.profile.touched
    if not kinds or not touched:
        return {}
    lists = await stored.project_neighbours(asked.stores.database, touched, kinds)
    place = {id_: index for index, id_ in enumerate(touched)}
    of_kind = {kind: [(place[project], one) for project, name, one in lists if name == kind] for kind in kinds}
    return {kind: _joined(asked.table.ids, found) for kind, found in of_kind.items() if found}


async def _arrivals(asked: _Asked) -> Arrivals:
    """Read how busy the platform was; for a minute the cache remembers it for everybody."""
    if Part.ARRIVALS not in asked.parts:
        return NO_ARRIVALS
    stores = asked.stores
    try:
        known = await stores.cache.get(_BUSY)
    except StoreUnavailable:
        known = None
    if known is None:
        since = asked.at - timedelta(days=weights.RECENT_DEEDS_DAYS)
        known = stored.packed_arrivals(await stored.arrivals(stores.database, since))
        with suppress(StoreUnavailable):
            await stores.cache.put(_BUSY, known, weights.ARRIVALS_FRESH_S)
    at_s, people = np.frombuffer(known, dtype="<f8").reshape(2, -1)
    return Arrivals(at_s, people)


_BUSY = "arrivals"


async def _fellows(asked: _Asked, taste: stored.Taste) -> tuple[Deeds, float]:
    """Read what those most like the viewer ever did, and the sum of their likeness."""
    people = taste.people
    if Part.FELLOWS not in asked.parts or not people.ids.size:
        return NO_DEEDS, 0.0
    found = await stored.deeds_of(asked.stores.database, asked.ids, people.ids.tolist())
    order = np.argsort(people.ids)
    likeness = _of_ids(found.actors, people.ids[order], people.likeness[order].astype(np.float64))
    return _rowed(asked.table.ids, found, likeness), float(people.likeness.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Others:
    """What others did lately, seen in three ways (see `Evidence`)."""

    deeds: Deeds = NO_DEEDS
    circles: Deeds = NO_DEEDS
    company: Deeds = NO_DEEDS


async def _others(asked: _Asked, taste: stored.Taste) -> _Others:
    """Read who came to the candidates lately, how alike they are, and what they share with the viewer's last hours."""
    if Part.DEEDS not in asked.parts:
        return _Others()
    found = await asked.recent.of(asked.table.ids)
    likeness, of_circle = await _likeness_of(asked, found.actors, taste.vector)
    deeds = _rowed(asked.table.ids, found, likeness)
    return _Others(deeds, deeds._replace(similarity=of_circle), await _company(asked, deeds))


async def _likeness_of(asked: _Asked, actors: Integers, mine: stored.Vector) -> tuple[Floats, Floats]:
    """Give for each of (m,) actors the viewer's likeness to their taste, and to their circle's; 0 where unknown."""
    nobody = np.zeros(actors.size)
    if not asked.parts & (Part.TASTES | Part.CIRCLES) or not mine.size:
        return nobody, nobody
    people = await stored.tastes_of(asked.stores.database, np.unique(actors).tolist())
    alike = _of_ids(actors, people.actors, _likenesses(people.vectors, mine))
    if Part.CIRCLES not in asked.parts:
        return alike, nobody
    circles = await stored.circles(asked.stores.database, np.unique(people.circles[people.circles > 0]).tolist())
    to_circle = _of_ids(people.circles, *_sorted(circles, mine))
    return alike, _of_ids(actors, people.actors, to_circle)


async def _company(asked: _Asked, deeds: Deeds) -> Deeds:
    if Part.COMPANY not in asked.parts:
        return NO_DEEDS
    last, since = asked.profile.touched[: weights.SESSION_PROJECTS], asked.at - timedelta(days=weights.SESSION_DAYS)
    shared = await stored.company_of(asked.stores.database, last, asked.actor_id, since, weights.RECENT_DEEDS_MOST)
    actors = np.array(sorted(shared), dtype=np.int64)
    met = _of_ids(deeds.people, actors, np.array([shared[actor] for actor in actors.tolist()], dtype=np.float64))
    kept = met > 0
    return Deeds(deeds.rows[kept], deeds.people[kept], met[kept], deeds.at_s[kept])


async def _project_taste(asked: _Asked, taste: stored.Taste) -> Floats:
    if Part.PROJECT_TASTE not in asked.parts:
        return np.zeros(asked.table.ids.size)
    found = await stored.project_tastes(asked.stores.database, asked.ids)
    return _of_ids(asked.table.ids, *_sorted(found, taste.vector))


async def _owner_taste(asked: _Asked, taste: stored.Taste) -> Floats:
    if Part.OWNER_TASTE not in asked.parts:
        return np.zeros(asked.table.ids.size)
    owners = np.unique(asked.table.owners[asked.table.owners >= 0]).tolist()
    found = await stored.owner_tastes(asked.stores.database, owners)
    return _of_ids(asked.table.owners, *_sorted(found, taste.vector))


async def _owner_touches(asked: _Asked) -> Floats:
    """Count the earlier projects of each candidate's owner that the viewer touched."""
    if Part.OWNERS not in asked.parts:
        return np.zeros(asked.table.ids.size)
    touched = asked.profile.touched
    own = await stored.owners_of(asked.stores.database, touched)
    return same_owner(asked.table.owners, np.array([own.get(id_, -1) for id_ in touched], dtype=np.int64))


# --- ids to rows ----------------------------------------------------------------------------------------------------


def _rowed(ids: Integers, deeds: stored.Deeds, similarity: Floats) -> Deeds:
    """Tell deeds by the rows of candidates, all of which are among `ids`."""
    order = np.argsort(ids)
    return Deeds(order[np.searchsorted(ids[order], deeds.projects)], deeds.actors, similarity, deeds.at_s)


def _joined(ids: Integers, lists: Sequence[tuple[int, stored.Likened]]) -> Links:
    """Put the lists of touches one behind the other, as far as they name candidates."""
    found = np.concatenate([one.ids for _, one in lists])
    source = np.repeat([index for index, _ in lists], [one.ids.size for _, one in lists])
    likeness = np.concatenate([one.likeness for _, one in lists]).astype(np.float64)
    if not ids.size:
        return NO_LINKS
    order = np.argsort(ids)
    row = order[np.minimum(np.searchsorted(ids[order], found), ids.size - 1)]
    kept = ids[row] == found
    return Links(row[kept], source[kept].astype(np.int64), likeness[kept])


def _of_ids(wanted: Integers, known: Integers, values: Floats) -> Floats:
    """Look up a value for each id; 0 for one that is not among `known`, which is in rising order."""
    if not known.size:
        return np.zeros(wanted.size)
    place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return np.where(known[place] == wanted, values[place], 0.0)


def _sorted(vectors: dict[int, bytes], mine: stored.Vector) -> tuple[Integers, Floats]:
    """Give ids in rising order, and the likeness of each packed taste to the viewer's."""
    ids = sorted(vectors)
    return np.array(ids, dtype=np.int64), _likenesses([vectors[id_] for id_ in ids], mine)


def _likenesses(vectors: Sequence[bytes], mine: stored.Vector) -> Floats:
    """Likeness of packed tastes to the viewer's; 0 for one of another night's length."""
    length = 2 * mine.size
    known = [index for index, vector in enumerate(vectors) if len(vector) == length > 0]
    likeness = np.zeros(len(vectors))
    if known:
        rows = stored.unpacked(b"".join(vectors[index] for index in known)).reshape(len(known), -1)
        likeness[known] = rows @ mine
    return likeness
