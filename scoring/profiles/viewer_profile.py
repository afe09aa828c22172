"""Profile of a viewer: interests, recent history, and one vector."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from db.actors.actor_preferences import Preferences, preferences_in
from db.actors.profiles import (
    NO_EXCLUSIONS,
    EngagedProject,
    ProfileExclusions,
    StoredInterest,
    interests_of,
    recent_engagements,
)
from db.actors.users import Viewer
from db.catalog.candidate_queries import newest_projects
from db.catalog.project_cards import ProjectFilter
from db.custom_types import NO_CUSTOM_TYPES, CustomTypes
from db.database.engine import Database
from db.errors import Store, StoreUnavailable
from db.models import EngagementKind, TermKind
from db.onboarding.answers import ONBOARDING_SETTING
from db.stores import Stores
from db.synchronization.index_documents import IndexDocumentReader
from db.time_units import DAY_S
from db.vectors.base import Vector
from scoring import tunables
from scoring.deadlines import SERVING, Deadlines, within
from scoring.features import all_terms, incidences
from scoring.mathematics.behavior_evidence import history_weights
from scoring.mathematics.signals import Floats, Integers, discrimination, similarities_to_rest
from scoring.mathematics.viewer_stages import ViewerStage, stage
from scoring.profiles.model_preferences import learnable_kinds
from scoring.profiles.viewer_columns import ViewerColumns

MATCH_VALUES = {
    TermKind.TOOL: tunables.TOOL_MATCH,
    TermKind.CATEGORY: tunables.CATEGORY_MATCH,
    TermKind.TOPIC: tunables.TOPIC_MATCH,
}
"""Value of a match with an interest, by kind."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Profile of a viewer at one time."""

    viewer: Viewer
    interests: tuple[StoredInterest, ...] = ()  # stated and learned interests, by descending confidence
    engagements: tuple[EngagedProject, ...] = ()  # history, the latest first, at most `tunables.PROFILE_ENGAGEMENTS`
    vector: Vector | None = None  # unit vector of interests and history
    vector_weight: float = 1.0  # factor of the similarity to `vector`, 0 to 1 (`signals.discrimination`)
    degraded: tuple[Store, ...] = ()  # unavailable stores
    exclusions: ProfileExclusions = NO_EXCLUSIONS  # interests and history left out, for counterfactuals
    columns: ViewerColumns | None = None  # None: rankings for the profile read the database

    @property
    def is_empty(self) -> bool:
        """Whether there is no data to personalize by."""
        return not self.interests and not self.engaged and not self.has_answered

    @property
    def has_answered(self) -> bool:
        """Whether the viewer has answered an onboarding question, and the preferences allow using the answers."""
        return (
            ONBOARDING_SETTING in self.viewer.settings
            and self.preferences.personalized
            and self.preferences.use_interests
        )

    @property
    def has_only_answers(self) -> bool:
        """Whether the viewer has answers and no history."""
        return not self.engaged and self.has_answered

    @property
    def engaged(self) -> list[int]:
        """Project ids of the history, the latest first. Projects without a remaining interaction are left out."""
        return [engagement.project_id for engagement in self.engagements if engagement.kinds]

    @property
    def stage(self) -> ViewerStage:
        """Stage of the viewer."""
        kinds_by_project = [engagement.kinds for engagement in self.engagements if engagement.kinds]
        like = int(EngagementKind.LIKE)  # operators of flags take microseconds
        liked = sum(bool(kinds & like) for kinds in kinds_by_project)
        return stage(len(self.interests), len(kinds_by_project), liked, self.has_answered)

    @property
    def preferences(self) -> Preferences:
        """Ranking preferences of the viewer."""
        return preferences_in(self.viewer.settings)

    @property
    def interest_terms(self) -> Integers:
        """(t,) term ids of the interests."""
        return np.array([tag.term_id for tag in self.interests], dtype=np.int64)

    @property
    def interest_values(self) -> Floats:
        """(t,) value of a match with each interest: its confidence times the value of its kind."""
        return np.array([tag.confidence * MATCH_VALUES[tag.kind] for tag in self.interests], dtype=np.float64)

    def familiar_terms(self) -> tuple[Integers, Floats]:
        """Return (t,) terms of the history and the interests, and their familiarity, 0 to 1; 1 for an interest."""
        counts = Counter(all_terms([engagement.terms for engagement in self.engagements]))
        familiarity = {term: min(count / tunables.FAMILIAR_ENGAGEMENTS, 1.0) for term, count in counts.items()}
        familiarity |= {tag.term_id: 1.0 for tag in self.interests}
        return np.array(list(familiarity), dtype=np.int64), np.array(list(familiarity.values()), dtype=np.float64)

    def recent_tools(self, at: datetime) -> Integers:
        """Return the tools of the recent history, one entry for each project and tool."""
        since = at.timestamp() - tunables.RECENT_VIEWS_DAYS * DAY_S
        recent = [engagement.terms for engagement in self.engagements if engagement.last_at.timestamp() >= since]
        return incidences(recent)[TermKind.TOOL].terms


async def load_profile(
    stores: Stores,
    viewer: Viewer,
    at: datetime,
    deadlines: Deadlines = SERVING,
    exclusions: ProfileExclusions = NO_EXCLUSIONS,
    columns: ViewerColumns | None = None,
    *,
    weighs_vector: bool = True,
) -> Profile:
    """Load a viewer's profile, in three statements (with columns: none) and three calls to the vector store.

    Without `weighs_vector`, the vector has the weight 1, which costs a statement and a call less.
    """
    profile = await load_profile_without_vector(stores.database, viewer, exclusions, columns)
    if viewer.actor_id is None or profile.is_empty:
        return profile
    reference = await _reference_ids(stores, profile) if weighs_vector and profile.engagements else None
    try:
        reading = _with_vector(stores, profile, viewer.actor_id, at, reference)
        return await within(deadlines.vectors_s, Store.VECTORS, reading)
    except StoreUnavailable:
        return replace(profile, degraded=(Store.VECTORS,))


async def load_profile_without_vector(
    database: Database,
    viewer: Viewer,
    exclusions: ProfileExclusions = NO_EXCLUSIONS,
    columns: ViewerColumns | None = None,
) -> Profile:
    """Load a profile without its vector, as far as the preferences allow, by two statements or from columns."""
    preferences = preferences_in(viewer.settings)
    if viewer.actor_id is None or not preferences.personalized:
        return Profile(viewer, columns=columns)
    limit = tunables.PROFILE_ENGAGEMENTS + len(exclusions.projects)
    all_interests: Sequence[StoredInterest]
    if columns is None:
        all_interests, engagements = await asyncio.gather(
            interests_of(database, viewer.actor_id), recent_engagements(database, viewer.actor_id, limit)
        )
    else:
        all_interests, engagements = columns.state.interests, columns.engagements(limit)
    interests = [tag for tag in all_interests if preferences.use_interests and tag.term_id not in exclusions.terms]
    remaining = [engagement for engagement in engagements if engagement.project_id not in exclusions.projects]
    learnable = _learnable(remaining[: tunables.PROFILE_ENGAGEMENTS], learnable_kinds(preferences))
    return Profile(viewer, tuple(interests), tuple(learnable), exclusions=exclusions, columns=columns)


def _learnable(engagements: Sequence[EngagedProject], kinds: EngagementKind) -> Iterator[EngagedProject]:
    """Restrict engagements to some kinds of interactions. An engagement without any of these kinds is left out."""
    mask = int(kinds)
    for engagement in engagements:
        learnable = engagement.kinds & mask
        if learnable == engagement.kinds:
            yield engagement
        elif learnable:
            yield replace(engagement, kinds=learnable)


async def _with_vector(
    stores: Stores, profile: Profile, actor_id: int, at: datetime, reference: Integers | None
) -> Profile:
    latest = profile.engagements[: tunables.PROFILE_VECTOR_PROJECTS]
    ids = np.array([engagement.project_id for engagement in latest], dtype=np.int64)
    interest_vector, (known_ids, rows) = await asyncio.gather(
        _interest_vector(stores, profile, actor_id), stores.vectors.project_vectors(ids)
    )
    if not known_ids.size:
        return replace(profile, vector=blend_vectors(interest_vector, None))
    custom_types = stores.platform.custom_types
    weight_of = {engagement.project_id: engagement_weight(engagement, at, custom_types) for engagement in latest}
    weighted = np.array([weight_of[int(id_)] for id_ in known_ids], dtype=np.float32)[:, None] * rows
    vector = blend_vectors(interest_vector, weighted.sum(axis=0))
    if vector is None or reference is None:
        return replace(profile, vector=vector)
    others = await stores.vectors.similarities(vector, np.setdiff1d(reference, known_ids))
    return replace(profile, vector=vector, vector_weight=discrimination(similarities_to_rest(rows, weighted), others))


async def _reference_ids(stores: Stores, profile: Profile) -> Integers:
    """Return the newest public projects, to which the similarity of the viewer's own projects is compared."""
    if profile.columns is not None:
        projects = profile.columns.columns.projects
        return projects.ids[projects.public_rows[: tunables.DISCRIMINATION_PROJECTS]]
    return (await newest_projects(stores.database, tunables.DISCRIMINATION_PROJECTS, ProjectFilter()))[:, 0]


async def _interest_vector(stores: Stores, profile: Profile, actor_id: int) -> Vector | None:
    """Return the vector of the interests, None for a viewer without any: the text then only lists kinds of activity.

    With exclusions, the text of the remaining interests is embedded.
    """
    if not profile.preferences.use_interests or not (profile.interests or profile.has_answered):
        return None
    if profile.exclusions == NO_EXCLUSIONS:
        return await stores.vectors.profile(actor_id)
    space = stores.embedder.model, stores.embedder.dimension
    text = await IndexDocumentReader(stores.database, space).profile_text(actor_id, profile.exclusions)
    return (await stores.embedder.embed([text]))[0] if text else None


def blend_vectors(interest_vector: Vector | None, history_vector: Vector | None) -> Vector | None:
    """Combine the vectors of interests and history into one unit vector; None without either."""
    parts = [
        (share, part / norm)
        for share, part in (
            (tunables.PROFILE_TEXT_SHARE, interest_vector),
            (1 - tunables.PROFILE_TEXT_SHARE, history_vector),
        )
        if part is not None and (norm := np.linalg.norm(part)) > 0
    ]
    if not parts:
        return None
    blend = sum((share * part for share, part in parts[1:]), start=parts[0][0] * parts[0][1])
    norm = np.linalg.norm(blend)
    return np.asarray(blend / norm, dtype=np.float32) if norm > 0 else None


def engagement_weight(engagement: EngagedProject, at: datetime, custom_types: CustomTypes = NO_CUSTOM_TYPES) -> float:
    """Return the weight of a project in the profile's vector, which decays as in `history_weights`.

    A platform's own types of interactions have weights of their own.
    """
    decay = float(history_weights(np.array((at - engagement.last_at).total_seconds() / DAY_S)))
    return decay * custom_types.history_weight(engagement.kinds)
