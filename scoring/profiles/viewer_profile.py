"""Who the viewer is to the ranking: stated interests, what was touched lately, and one vector."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from db.actors.actor_preferences import Preferences, preferences_in
from db.actors.profiles import NO_EXCLUSIONS, EngagedProject, ProfileExclusions, Tag, recent_engagements, tags
from db.actors.users import Viewer
from db.database.engine import Database
from db.errors import Store, StoreUnavailable
from db.models import EngagementKind, TermKind
from db.onboarding.answers import ONBOARDING_SETTING
from db.stores import Stores
from db.synchronization.index_documents import IndexDocumentReader
from db.vectors.base import Vector
from scoring import weights
from scoring.deadlines import SERVING, Deadlines
from scoring.features import incidences
from scoring.mathematics.signals import Floats, Integers
from scoring.mathematics.viewer_stages import ViewerStage, stage
from scoring.profiles.model_preferences import learnable_kinds

WORTH = {
    TermKind.TOOL: weights.TOOL_MATCH,
    TermKind.CATEGORY: weights.CATEGORY_MATCH,
    TermKind.TOPIC: weights.TOPIC_MATCH,
}
"""What a match with a tag of each kind is worth."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a viewer at one moment.

    Attributes
    ----------
    viewer
        Who it is.
    tags
        Stated and learned interests, the surest first.
    engagements
        The projects engaged with, the latest first, at most `weights.PROFILE_ENGAGEMENTS`.
    vector
        A unit vector of what was stated and touched; None if nothing of it is known, or the vector store is away.
    degraded
        The stores that had no say because they were away.
    without
        What of the viewer's own doing is left out on purpose.
    """

    viewer: Viewer
    tags: tuple[Tag, ...] = ()
    engagements: tuple[EngagedProject, ...] = ()
    vector: Vector | None = None
    degraded: tuple[Store, ...] = ()
    without: ProfileExclusions = NO_EXCLUSIONS

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be personal about."""
        return not self.tags and not self.engaged and not self.has_answered

    @property
    def has_answered(self) -> bool:
        """Whether the viewer has answered any question of the quiz, and lets the answers count."""
        return (
            ONBOARDING_SETTING in self.viewer.settings and self.preferences.personalized and self.preferences.use_topics
        )

    @property
    def has_only_answers(self) -> bool:
        """Whether the viewer has answered the quiz and done nothing since."""
        return not self.engaged and self.has_answered

    @property
    def engaged(self) -> list[int]:
        """The ids of the projects engaged with, the latest first, without those whose every act was undone."""
        return [engagement.project_id for engagement in self.engagements if engagement.kinds]

    @property
    def stage(self) -> ViewerStage:
        """How well the viewer is known."""
        done = [engagement.kinds for engagement in self.engagements if engagement.kinds]
        liked = sum(bool(kinds & EngagementKind.LIKE) for kinds in done)
        return stage(len(self.tags), len(done), liked, self.has_answered)

    @property
    def preferences(self) -> Preferences:
        """What the viewer lets the ranking do."""
        return preferences_in(self.viewer.settings)

    @property
    def tag_terms(self) -> Integers:
        """(t,) term ids of the tags."""
        return np.array([tag.term_id for tag in self.tags], dtype=np.int64)

    @property
    def tag_worth(self) -> Floats:
        """(t,) what a match with each tag is worth: its confidence times the worth of its kind."""
        return np.array([tag.confidence * WORTH[tag.kind] for tag in self.tags], dtype=np.float64)

    def met_terms(self) -> tuple[Integers, Floats]:
        """Give the (t,) terms that the viewer has met, and how familiar each is, 0 to 1: an interest wholly so."""
        met = np.concatenate(
            [part.terms for part in incidences([engagement.terms for engagement in self.engagements]).values()]
        )
        terms, times = np.unique(met, return_counts=True)
        familiar = dict(
            zip(terms.tolist(), np.minimum(times / weights.FAMILIAR_ENGAGEMENTS, 1.0).tolist(), strict=True)
        )
        familiar |= {tag.term_id: 1.0 for tag in self.tags}
        return np.array(list(familiar), dtype=np.int64), np.array(list(familiar.values()), dtype=np.float64)

    def seen_tools(self, at: datetime) -> Integers:
        """Give the tools of what was touched in the days before `at`, one entry for each project and tool."""
        since = at.timestamp() - weights.RECENT_VIEWS_DAYS * 86_400
        recent = [engagement.terms for engagement in self.engagements if engagement.last_at.timestamp() >= since]
        return incidences(recent)[TermKind.TOOL].terms


async def load_profile(
    stores: Stores,
    viewer: Viewer,
    at: datetime,
    deadlines: Deadlines = SERVING,
    without: ProfileExclusions = NO_EXCLUSIONS,
) -> Profile:
    """Read a viewer's profile: two statements and two calls to the vector store.

    Parameters
    ----------
    without
        What to leave out, as if it had never been; the stated text is then written and embedded again.
    """
    known = await load_profile_without_vector(stores.database, viewer, without)
    if viewer.actor_id is None or known.is_empty:
        return known
    try:
        async with asyncio.timeout(deadlines.vectors_s):
            return replace(known, vector=await _profile_vector(stores, known, viewer.actor_id, at))
    except (StoreUnavailable, TimeoutError):
        return replace(known, degraded=(Store.VECTORS,))


async def load_profile_without_vector(
    database: Database, viewer: Viewer, without: ProfileExclusions = NO_EXCLUSIONS
) -> Profile:
    """Read a viewer's profile without its vector, as far as the viewer's own settings go: two statements."""
    preferences = preferences_in(viewer.settings)
    if viewer.actor_id is None or not preferences.personalized:
        return Profile(viewer)
    many = weights.PROFILE_ENGAGEMENTS + len(without.projects)
    found_tags, found = await asyncio.gather(
        tags(database, viewer.actor_id), recent_engagements(database, viewer.actor_id, many)
    )
    engagements = [engagement for engagement in found if engagement.project_id not in without.projects][
        : weights.PROFILE_ENGAGEMENTS
    ]
    return Profile(
        viewer,
        tuple(tag for tag in found_tags if tag.term_id not in without.terms) if preferences.use_topics else (),
        tuple(_telling(engagements, learnable_kinds(preferences))),
        without=without,
    )


def _telling(engagements: Sequence[EngagedProject], kinds: EngagementKind) -> Iterator[EngagedProject]:
    """Leave the kinds of engagement from which something may be concluded, and the projects that have one of them."""
    for engagement in engagements:
        told = engagement.kinds & kinds
        if told == engagement.kinds:
            yield engagement
        elif told:
            yield replace(engagement, kinds=told)


async def _profile_vector(stores: Stores, profile: Profile, actor_id: int, at: datetime) -> Vector | None:
    latest = profile.engagements[: weights.PROFILE_VECTOR_PROJECTS]
    ids = np.array([engagement.project_id for engagement in latest], dtype=np.int64)
    stated, (known, rows) = await asyncio.gather(
        _stated(stores, profile, actor_id), stores.vectors.project_vectors(ids)
    )
    if not profile.preferences.use_topics:
        stated = None  # it is made of interests
    worth = {engagement.project_id: engagement_weight(engagement, at) for engagement in latest}
    engaged = np.array([worth[int(id_)] for id_ in known], dtype=np.float32) @ rows if known.size else None
    return blend_vectors(stated, engaged)


async def _stated(stores: Stores, profile: Profile, actor_id: int) -> Vector | None:
    """Give the vector of what was stated; of a profile that leaves something out it is made anew."""
    if profile.without == NO_EXCLUSIONS:
        return await stores.vectors.profile(actor_id)
    space = stores.embedder.model, stores.embedder.dimension
    text = await IndexDocumentReader(stores.database, space).profile_text(actor_id, profile.without)
    return (await stores.embedder.embed([text]))[0] if text else None


def blend_vectors(stated: Vector | None, engaged: Vector | None) -> Vector | None:
    """Mix what the viewer says and what the viewer does into one unit vector; None if neither says anything."""
    parts = [
        (share, part / norm)
        for share, part in ((weights.PROFILE_TEXT_SHARE, stated), (1 - weights.PROFILE_TEXT_SHARE, engaged))
        if part is not None and (norm := np.linalg.norm(part)) > 0
    ]
    if not parts:
        return None
    mixed = sum((share * part for share, part in parts[1:]), start=parts[0][0] * parts[0][1])
    norm = np.linalg.norm(mixed)
    return np.asarray(mixed / norm, dtype=np.float32) if norm > 0 else None


def engagement_weight(engagement: EngagedProject, at: datetime) -> float:
    """Give how much a touch moves the profile's vector: less with time, twice as much for a deliberate act."""
    age_days = max((at - engagement.last_at).total_seconds(), 0.0) / 86_400
    deliberate = bool(engagement.kinds & ~(EngagementKind.VIEW | EngagementKind.CLICK))
    return float(np.exp2(-age_days / weights.HISTORY_HALF_LIFE_DAYS)) * (2.0 if deliberate else 1.0)
