"""The personalization status: the amount of data about the viewer, and its effect on feeds."""

from datetime import timedelta
from typing import Annotated

import strawberry

from db.actors.actor_preferences import preferences_in
from db.actors.profile_counts import signal_counts
from db.models import now
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import ViewerKind, register_enum
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import viewer_global_id
from resolvers.feeds.explanation import Signal
from resolvers.preferences.viewer import viewer_kind_of
from scoring import tunables
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.profiles.model_preferences import learnable_kinds
from scoring.profiles.personalization_status import MissingKind, QualityPart, status_of
from scoring.ranking import Strategy

register_enum(
    ViewerStage,
    "ViewerStage",
    "How well a viewer is known. Interactions count more than stated interests.",
    {
        "NEW": "Nothing is known.",
        "QUIZ": "Onboarding is answered, or interests are stated, but there are no interactions.",
        "LIGHT": "There are interactions, but fewer than the thresholds.",
        "HEAVY": "The viewer reached the threshold of interactions or likes.",
    },
)
register_enum(
    QualityPart,
    "ProfileQualityPart",
    "The parts of a profile's quality.",
    {
        "INTERESTS": (
            f"Interests of any source: up to {tunables.QUALITY_SHARES['interests']:g}, reached at the threshold."
        ),
        "HISTORY": (
            f"Projects that you interacted with: up to {tunables.QUALITY_SHARES['history']:g} on a logarithmic "
            "scale, reached at five times the threshold."
        ),
        "LIKES": (
            f"Likes: up to {tunables.QUALITY_SHARES['likes']:g} on a logarithmic scale, reached at four times the "
            "threshold."
        ),
        "RECENCY": (
            f"The time since your last interaction or answer: up to {tunables.QUALITY_SHARES['recency']:g}, halved "
            f"every {tunables.QUALITY_HALF_LIFE_DAYS:g} days."
        ),
    },
)
register_enum(
    MissingKind,
    "MissingSignalKind",
    "The kinds of data that would improve a profile.",
    {
        "ONBOARDING": "Unanswered onboarding questions.",
        "PEOPLE": "Enough interests or interactions to find people with similar taste.",
        "INTERESTS": "Interests, up to the threshold.",
        "INTERACTIONS": "Interactions with projects, up to the threshold.",
        "LIKES": "Likes, up to the threshold.",
    },
)


@object_type
class SignalSummary:
    """The amount of data about the viewer."""

    interests: Annotated[int, "The number of interests of any source."]
    learned_interests: Annotated[int, "The number of interests learned from interactions."]
    interactions: Annotated[int, "The number of projects that the viewer interacted with."]
    likes: Annotated[int, "The number of current likes."]
    answers: Annotated[int, "The number of answered onboarding questions."]


@object_type
class PersonalizationThresholds:
    """The amount of data that is enough for personalization. Reaching one of the three thresholds is sufficient."""

    interests: Annotated[int, "The number of interests."]
    interactions: Annotated[int, "The number of projects interacted with."]
    likes: Annotated[int, "The number of likes."]


@object_type
class ProfileQualityShare:
    """One component of the profile quality."""

    part: Annotated[QualityPart, "The part."]
    value: Annotated[float, "The amount that the part adds."]
    maximum: Annotated[float, "The maximum that the part can add. The maxima add up to 1."]


@object_type
class MissingSignal:
    """Data that would improve the profile."""

    kind: Annotated[MissingKind, "The kind of data."]
    have: Annotated[int, "The current amount."]
    needed: Annotated[int, "The required amount."]
    remaining: Annotated[int, "The missing amount."]
    text: Annotated[str, 'A text for display, for example "Like 3 more projects".']


@object_type
class SignalState:
    """Whether a signal has data about the viewer."""

    signal: Annotated[Signal, "The signal."]
    active: Annotated[bool, "Whether the signal can contribute to the viewer's scores."]
    inactive_reason: Annotated[str | None, "Why the signal cannot contribute, as text for display; null if active."]


@object_type
class PersonalizationStatus:
    """The amount of data about the viewer, and its effect on their feed."""

    id: Annotated[
        strawberry.ID,
        "The global id, opaque and stable, for client caches: the `status` in mutation results updates it.",
    ]
    about: Annotated[ViewerKind, "How the viewer is identified."]
    has_sufficient_data: Annotated[bool, "Whether one of the thresholds is reached."]
    has_completed_onboarding: Annotated[
        bool, "Whether the viewer answered an onboarding question, or skipped them all."
    ]
    needs_onboarding: Annotated[bool, "Whether to show onboarding: there is neither enough data nor an answer."]
    signal_summary: Annotated[SignalSummary, "The amount of data about the viewer."]
    thresholds: Annotated[PersonalizationThresholds, "The amount of data that is enough for personalization."]
    stage: Annotated[ViewerStage, "How well the viewer is known."]
    quality: Annotated[
        float,
        "The quality of the profile from 0 to 1, the sum of `qualityParts`. It does not measure the quality of feeds.",
    ]
    quality_parts: Annotated[list[ProfileQualityShare], "The parts of the quality."]
    missing: Annotated[list[MissingSignal], "Data that would improve the profile, most achievable first."]
    signals: Annotated[list[SignalState], "The signals of the ranking, and whether they have data about the viewer."]
    profile_age_seconds: Annotated[
        float | None, "The seconds since the viewer's last interaction or answer; null if there is none."
    ]
    strategy: Annotated[Strategy, "How `forYou` is ranked for the viewer."]


async def personalization_status_of(context: Context) -> PersonalizationStatus:
    """Read the current status, in one statement besides the viewer's."""
    viewer, present, thresholds = await context.viewer(), now(), context.thresholds
    recent_since = present - timedelta(days=tunables.RECENT_VIEWS_DAYS)
    preferences = preferences_in(viewer.settings)
    kinds = learnable_kinds(preferences)
    counts = await signal_counts(context.stores.database, viewer.actor_id, recent_since, kinds)
    status = status_of(counts, present, await context.feeds.model(), preferences, thresholds)
    return PersonalizationStatus(
        id=viewer_global_id("PersonalizationStatus", viewer.user_key, viewer.session_key),
        about=viewer_kind_of(viewer),
        has_sufficient_data=status.has_sufficient_data,
        has_completed_onboarding=status.has_completed_onboarding,
        needs_onboarding=status.needs_onboarding,
        signal_summary=SignalSummary(
            interests=counts.interests,
            learned_interests=counts.learned_interests,
            interactions=counts.interactions,
            likes=counts.likes,
            answers=counts.answered,
        ),
        thresholds=PersonalizationThresholds(
            interests=thresholds.interests, interactions=thresholds.interactions, likes=thresholds.likes
        ),
        stage=status.stage,
        quality=status.quality,
        quality_parts=[
            ProfileQualityShare(part=part, value=value, maximum=tunables.QUALITY_SHARES[part.value])
            for part, value in status.parts.items()
        ],
        missing=[
            MissingSignal(kind=data.kind, have=data.have, needed=data.needed, remaining=data.remaining, text=data.text)
            for data in status.missing
        ],
        signals=[
            SignalState(signal=Signal.of(signal), active=reason is None, inactive_reason=reason)
            for signal, reason in status.inactive_reasons.items()
        ],
        profile_age_seconds=status.profile_age_s,
        strategy=status.strategy,
    )


@strawberry.type
class PersonalizationQuery:
    @computed(Cost(80, points_once=300))
    async def personalization_status(self, info: Info) -> PersonalizationStatus:
        """The personalization status of the viewer: whether to show onboarding, and the quality of the profile.

        Never cached.
        """
        return await personalization_status_of(info.context)
