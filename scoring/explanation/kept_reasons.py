"""Reasons of ranking entries, kept in the process, so that a page with known explanations needs no further statement.

A ranking's evidence does not change, but the projects and owners that its reasons name can be hidden, renamed or
deleted. Reasons are therefore kept with the versions of the entry's project and of each project that they refer to. The
statement of the page also reads the current versions of these projects. If a version has changed, the reasons are found
again.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from db.actors.users import Viewer
from db.cache.lru_cache import LruCache
from scoring.explanation.reasons import Reason, SimilarToProject
from scoring.ranking import Page

MAX_PROJECTS = 15_000
"""Maximum number of ranked projects whose reasons a process keeps, about 1.7 KB each: 500 rankings with one page."""

_Key = tuple[str, int | None, int]  # id of the snapshot, actor, and version of the actor


class _Kept(NamedTuple):
    version: Any  # of the entry's project
    referenced: Mapping[int, Any]  # versions of the projects that the reasons refer to, by id
    reasons: tuple[Reason, ...]


class KeptReasons:
    """The reasons of the rankings that were requested last from this process, by viewer."""

    def __init__(self, max_projects: int = MAX_PROJECTS) -> None:
        self._rankings: LruCache[_Key, dict[int, _Kept]] = LruCache(max_projects)

    def referenced_projects(self, snapshot_id: str, viewer: Viewer) -> list[int]:
        """Return the ids of the projects that the kept reasons of a ranking refer to."""
        kept = self._rankings.get(_key(snapshot_id, viewer)) or {}
        return list(dict.fromkeys(id_ for reasons in kept.values() for id_ in reasons.referenced))

    def of_page(self, page: Page, viewer: Viewer) -> dict[int, tuple[Reason, ...]]:
        """Return the kept reasons that are still valid for a page, by project id."""
        kept = self._rankings.get(_key(page.snapshot_id, viewer))
        if kept is None:
            return {}
        return {
            id_: kept[id_].reasons
            for id_, project in page.projects.items()
            if id_ in kept
            and kept[id_].version == project.content.version
            and all(page.referenced.get(other) == version for other, version in kept[id_].referenced.items())
        }

    def keep(
        self, page: Page, viewer: Viewer, reasons: Mapping[int, tuple[Reason, ...]], versions: Mapping[int, Any]
    ) -> None:
        """Keep reasons by project id; `versions` has the versions of the projects that the reasons refer to, by id.

        Reasons that refer to a project without a version are not kept.
        """
        kept = self._rankings.get(_key(page.snapshot_id, viewer)) or {}
        for id_, found in reasons.items():
            ids = referenced_ids([found])
            if versions.keys() >= set(ids):
                kept[id_] = _Kept(page.projects[id_].content.version, {other: versions[other] for other in ids}, found)
        if kept:
            self._rankings.put(_key(page.snapshot_id, viewer), kept, len(kept))


def referenced_ids(reasons: Iterable[tuple[Reason, ...]]) -> list[int]:
    """Return the ids of the projects that reasons refer to, each once."""
    similar = (reason for group in reasons for reason in group if isinstance(reason, SimilarToProject))
    return list(dict.fromkeys(reason.project.id for reason in similar))


def _key(snapshot_id: str, viewer: Viewer) -> _Key:
    return snapshot_id, viewer.actor_id, viewer.version
