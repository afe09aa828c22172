"""The columns of a process together with one viewer's own data, for one ranking or several of the same viewer."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from db.actors.actor_preferences import preferences_in
from db.actors.profiles import EngagedProject
from db.actors.users import Viewer
from db.actors.viewer_state import NO_STATE, ViewerState, read_viewer_state
from db.catalog.project_cards import ProjectFilter
from db.columns.column_store import Columns
from db.columns.project_columns import KINDS, contained
from db.database.engine import Database
from db.interactions.actor_history import DismissedProject
from db.models import EngagementKind
from db.stores import Stores
from db.time_units import DAY_S, MICROSECONDS, microseconds, time_of
from db.trained_models.collaborative_data import NeighborList, project_neighbors
from scoring import tunables
from scoring.features import FeatureTable
from scoring.mathematics.signals import Incidence, Integers, look_up

_PREFIXES = [kind.value[:3] for kind in KINDS]


class ViewerColumns:
    """Columns and the data of one viewer, read at one time."""

    def __init__(self, database: Database, columns: Columns, viewer: Viewer, state: ViewerState) -> None:
        self.columns = columns
        self.state = state
        self._database = database
        self._viewer = viewer
        self._neighbor_lists: dict[int, NeighborList | None] = {}
        self._session_neighbors: dict[tuple[int, ...], tuple[Integers, Integers]] = {}

    def engagements(self, limit: int) -> list[EngagedProject]:
        """Return the viewer's latest engagements without muted projects, at most `limit`."""
        state = self.state
        kept = [index for index, id_ in enumerate(state.engaged.tolist()) if id_ not in state.muted_seeds][:limit]
        ids, kinds, at_us = (
            column[kept].tolist() for column in (state.engaged, state.engaged_kinds, state.engaged_at_us)
        )
        terms = self._term_texts(ids)
        return [
            EngagedProject(id_, kind, time_of(time), text)
            for id_, kind, time, text in zip(ids, kinds, at_us, terms, strict=True)
        ]

    def disliked(self) -> list[DismissedProject]:
        """Return the latest projects that the viewer dismissed or disliked."""
        ids = list(self.state.disliked[: tunables.MAX_DISMISSALS_READ])
        return [DismissedProject(*one) for one in zip(self._owners(ids), self._term_texts(ids), strict=True)]

    def hold(self, ids: Sequence[int] | Integers) -> bool:
        """Return whether the columns hold all of these projects; others are newer than the columns."""
        return self.columns.projects.rows_of(np.asarray(ids, np.int64)).size == len(ids)

    def without_filtered(self, ids: Integers, where: ProjectFilter, term_groups: Sequence[frozenset[int]]) -> Integers:
        """Return the candidates that no filter removes, in their order."""
        projects, state, user_id = self.columns.projects, self.state, self._viewer.user_id
        rows = projects.rows_of(ids)
        rows = rows[projects.public[rows]]
        if user_id is not None:
            rows = rows[projects.owners[rows] != user_id]
        if state.dismissed:
            rows = rows[~np.isin(projects.ids[rows], state.dismissed)]
        if state.muted_owners:
            rows = rows[~np.isin(projects.owners[rows], list(state.muted_owners))]
        if state.muted_terms:
            rows = rows[~projects.have_term(rows, state.muted_terms)]
        return projects.ids[projects.matching(rows, where, term_groups)]

    def feature_table(
        self, ids: Integers, at: datetime, kinds: EngagementKind, excluded: frozenset[int]
    ) -> FeatureTable:
        """Return the features of projects as `scoring.features.feature_table` does."""
        projects, state = self.columns.projects, self.state
        rows = projects.rows_of(ids)
        order = np.argsort(state.engaged)
        engaged, read_kinds = state.engaged[order], state.engaged_kinds[order] & int(kinds)
        is_counted = ~np.isin(engaged, list(excluded))
        at_s = np.where(read_kinds > 0, state.engaged_at_us[order] / MICROSECONDS, -1.0)
        index, terms = projects.terms_of(rows)
        kind_of = projects.kind_of_term[terms]
        return FeatureTable(
            ids=ids,
            keys=projects.keys[rows].astype(np.str_),
            owners=projects.owners[rows],
            age_days=np.maximum(at.timestamp() - projects.created_us[rows] / MICROSECONDS, 0.0) / DAY_S,
            likes=projects.likes[rows],
            terms={
                kind: Incidence(rows.size, index[kind_of == number], terms[kind_of == number])
                for number, kind in enumerate(KINDS)
            },
            viewed_at=look_up(ids, engaged, np.maximum(at_s, 0.0) * is_counted),
            liked=look_up(ids, engaged, ((read_kinds & int(EngagementKind.LIKE)) * is_counted).astype(np.float64)) > 0,
            read_at=look_up(ids, engaged, at_s + 1.0) - 1.0,
        )

    def read_since(self, since: datetime, kinds: EngagementKind) -> list[int]:
        """Return the projects that the viewer engaged with by one of `kinds`, the last time since `since`."""
        state = self.state
        is_read = ((state.engaged_kinds & int(kinds)) > 0) & (state.engaged_at_us >= microseconds(since))
        ids: list[int] = state.engaged[is_read].tolist()
        return ids

    async def neighbor_lists(self, history: Sequence[int]) -> dict[int, NeighborList]:
        """Read the neighbor lists of projects, each once."""
        missing = [id_ for id_ in history if id_ not in self._neighbor_lists]
        if missing:
            read = await project_neighbors(self._database, missing)
            self._neighbor_lists |= {id_: read.get(id_) for id_ in missing}
        known = ((id_, self._neighbor_lists[id_]) for id_ in history)
        return {id_: neighbors for id_, neighbors in known if neighbors is not None}

    def session_neighbors(self, engaged: Sequence[int], at: datetime) -> tuple[Integers, Integers]:
        """Count, for each other user, the viewer's latest projects that the actor engaged with in the last days.

        Returns ascending actor ids, and their counts.
        """
        latest = tuple(engaged[: tunables.SESSION_PROJECTS])
        if latest not in self._session_neighbors:
            since = microseconds(at - timedelta(days=tunables.SESSION_NEIGHBOR_DAYS))
            recent = self.columns.engagement.since(since).before(microseconds(at) + 1)
            chosen = contained(recent.projects, latest) & recent.by_users
            chosen &= recent.actors != (self._viewer.actor_id or 0)
            self._session_neighbors[latest] = np.unique(recent.actors[chosen], return_counts=True)
        return self._session_neighbors[latest]

    def _owners(self, ids: Sequence[int]) -> list[int | None]:
        projects = self.columns.projects
        owner_of = look_up(np.array(ids, np.int64), projects.ids, projects.owners.astype(np.float64) + 1)
        return [int(owner) - 1 if owner > 0 else None for owner in owner_of.tolist()]

    def _term_texts(self, ids: Sequence[int]) -> list[str | None]:
        """Return the terms of projects in the format of `ProjectFeatures.terms`."""
        projects = self.columns.projects
        rows = projects.rows_of(np.array(ids, np.int64))
        index, terms = projects.terms_of(rows)
        texts: dict[int, list[str]] = {}
        for row, term, kind in zip(index.tolist(), terms.tolist(), projects.kind_of_term[terms].tolist(), strict=True):
            texts.setdefault(row, []).append(f"{_PREFIXES[kind]}{term}")
        by_id = {int(projects.ids[rows[row]]): ",".join(parts) for row, parts in texts.items()}
        return [by_id.get(id_) for id_ in ids]


async def view_columns(stores: Stores, viewer: Viewer, at: datetime) -> ViewerColumns | None:
    """Read the viewer's own data and return it with the columns; None without columns or without personalization."""
    columns = stores.columns.current if stores.columns is not None else None
    if columns is None or not preferences_in(viewer.settings).personalized:
        return None
    if viewer.actor_id is None:
        return ViewerColumns(stores.database, columns, viewer, NO_STATE)
    since = at - timedelta(days=tunables.IMPRESSION_FATIGUE_DAYS)
    return ViewerColumns(
        stores.database,
        columns,
        viewer,
        await read_viewer_state(
            stores.database, viewer.actor_id, since, with_custom_types=stores.platform.custom_types.have_negative
        ),
    )
