"""Candidate sources by array operations over the columns."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.catalog.project_cards import ProjectFilter
from db.columns.project_columns import best, contained
from db.time_units import microseconds
from scoring import tunables
from scoring.mathematics.signals import Integers
from scoring.profiles.viewer_columns import ViewerColumns


class ColumnSources:
    """The candidate sources that need no other store, restricted to public projects that a filter keeps."""

    def __init__(
        self, view: ViewerColumns, where: ProjectFilter, term_groups: Sequence[frozenset[int]], at: datetime
    ) -> None:
        self._view = view
        self._projects = view.columns.projects
        self._engagement = view.columns.engagement.before(microseconds(at) + 1)
        self._rows = self._projects.matching(self._projects.public_rows, where, term_groups)
        self._at = at

    def trending(self, limit: int) -> list[int]:
        """Return the projects with the highest velocity."""
        return self._best(self._rows, self._projects.velocity[self._rows], limit)

    def newest(self, limit: int) -> list[int]:
        """Return the newest projects."""
        return self._ids(self._rows[:limit])

    def popular(self, limit: int) -> list[int]:
        """Return the projects with most all-time likes."""
        return self._best(self._rows, self._projects.likes[self._rows], limit)

    def recently_active(self, limit: int, engagements: int) -> list[int]:
        """Return the projects with most actors among the latest first engagements."""
        return self._most_engaged(self._engagement.projects[-engagements:], 1, limit)

    def with_terms(self, terms: Sequence[int], limit: int) -> list[int]:
        """Return the projects with most of these terms."""
        return self._most(self._projects.count_terms(terms), 1, limit)

    def of_owners(self, engaged: Sequence[int], limit: int) -> list[int]:
        """Return the newest projects of the owners of engaged projects, without these."""
        projects = self._projects
        owners = projects.owners[projects.rows_of(np.array(engaged, np.int64))]
        rows = self._rows[np.isin(projects.owners[self._rows], owners[owners >= 0])]
        rows = rows[~np.isin(projects.ids[rows], engaged)]
        return self._ids(rows[:limit])

    def of_session_neighbors(self, engaged: Sequence[int], limit: int) -> list[int]:
        """Return the projects that most session neighbors engaged with recently, without the engaged ones."""
        neighbors, counts = self._view.session_neighbors(engaged, self._at)
        chosen = neighbors[np.lexsort((neighbors, -counts))[: tunables.SESSION_NEIGHBOR_COUNT]]
        recent = self._engagement.since(microseconds(self._at - timedelta(days=tunables.RECENT_INTERACTION_DAYS)))
        projects = recent.projects[contained(recent.actors, chosen.tolist())]
        return self._most_engaged(projects[~contained(projects, engaged)], tunables.ANONYMITY_FLOOR, limit)

    def _most_engaged(self, projects: Integers, least: int, limit: int) -> list[int]:
        return self._most(self._projects.count(projects), least, limit)

    def _most(self, totals: Integers, least: int, limit: int) -> list[int]:
        rows = self._rows[totals[self._rows] >= least]
        return self._best(rows, totals[rows], limit)

    def _best(self, rows: Integers, values: NDArray[Any], limit: int) -> list[int]:
        return self._ids(best(rows, values, limit))

    def _ids(self, rows: Integers) -> list[int]:
        ids: list[int] = self._projects.ids[rows].tolist()
        return ids
