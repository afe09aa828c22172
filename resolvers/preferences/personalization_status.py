"""The personalization status: the amount of data about the viewer, and its effect on feeds."""

from datetime import timedelta
from typing import Self

import strawberry

from db.actors.actor_preferences import preferences_in
from db.actors.profile_counts import signal_counts
from db.actors.users import Viewer
from db.models import now
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import ViewerKind, register_enum
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import viewer_global_id
from resolvers.feeds.explanation import Signal, described
from resolvers.preferences.viewer import viewer_kind_of
from scoring import weights
from scoring.mathematics.viewer_stages import ViewerStage
from scoring.profiles import personalization_status
from scoring.profiles.model_preferences import learnable_kinds
from scoring.profiles.personalization_status import MissingKind, QualityPart
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
            f"Interests of any source: up to {weights.QUALITY_SHARES['interests']:g}, reached at the threshold."
        ),
        "HISTORY": (
            f"Projects that you interacted with: up to {weights.QUALITY_SHARES['history']:g} on a logarithmic "
            "scale, reached at five times the threshold."
        ),
        "LIKES": (
            f"Likes: up to {weights.QUALITY_SHARES['likes']:g} on a logarithmic scale, reached at four times the "
            "threshold."
        ),
        "RECENCY": (
            f"The time since your last interaction or answer: up to {weights.QUALITY_SHARES['recency']:g}, halved "
            f"every {weights.QUALITY_HALF_LIFE_DAYS:g} days."
        ),
    },
)
register_enum(
    MissingKind,
    "MissingSignalKind",
    "The kinds of data that would improve a profile.",
    {
        "ONBOARDING": "Unanswered onboarding questions.",
        "PEOPLE": "Interests or interactions, enough to find people with similar taste.",
        "INTERESTS": "Interests, up to the threshold.",
        "INTERACTIONS": "Projects to interact with, up to the threshold.",
        "LIKES": "Likes, up to the threshold.",
    },
)


@object_type
class SignalSummary:
    """The amount of data about the viewer."""

    interests: int = strawberry.field(description="The number of interests of any source.")
    learned_interests: int = strawberry.field(description="The number of interests learned from interactions.")
    interactions: int = strawberry.field(description="The number of projects that the viewer interacted with.")
    likes: int = strawberry.field(description="The number of current likes.")
    answers: int = strawberry.field(description="The number of answered onboarding questions.")


@object_type
class PersonalizationThresholds:
    """The amount of data that is enough for personalization. One of the three is sufficient."""

    interests: int = strawberry.field(description="The number of interests.")
    interactions: int = strawberry.field(description="The number of projects interacted with.")
    likes: int = strawberry.field(description="The number of likes.")


@object_type
class ProfileQualityShare:
    """The share of one part in the quality of a profile."""

    part: QualityPart = strawberry.field(description="The part.")
    value: float = strawberry.field(description="The amount that it adds.")
    maximum: float = strawberry.field(description="The maximum that it can add. The maxima add up to 1.")


@object_type
class MissingSignal:
    """Data that would improve the profile."""

    kind: MissingKind = strawberry.field(description="The kind of data.")
    have: int = strawberry.field(description="The current amount.")
    needed: int = strawberry.field(description="The required amount.")
    remaining: int = strawberry.field(description="The missing amount.")
    text: str = strawberry.field(description='A text for display, for example "Like 3 more projects".')


@object_type
class SignalState:
    """Whether a signal has data about the viewer."""

    signal: Signal = strawberry.field(description="The signal.")
    active: bool = strawberry.field(description="Whether the signal can contribute to the viewer's scores.")
    inactive_reason: str | None = strawberry.field(description=("Why it cannot, as text for display; null if active."))


@object_type
class PersonalizationStatus:
    """The amount of data about the viewer, and its effect on their feed."""

    id: strawberry.ID = strawberry.field(
        description=(
            "The global id, opaque and stable, for client caches: the `status` in mutation results updates it."
        )
    )
    about: ViewerKind = strawberry.field(description="How the viewer is identified.")
    has_sufficient_data: bool = strawberry.field(description="Whether one of the thresholds is reached.")
    has_completed_onboarding: bool = strawberry.field(
        description="Whether the viewer answered an onboarding question, or skipped them all."
    )
    needs_onboarding: bool = strawberry.field(
        description="Whether to show onboarding: there is neither enough data nor an answer."
    )
    signal_summary: SignalSummary = strawberry.field(description="The amount of data about the viewer.")
    thresholds: PersonalizationThresholds = strawberry.field(
        description=("The amount of data that is enough for personalization.")
    )
    stage: ViewerStage = strawberry.field(description="How well the viewer is known.")
    quality: float = strawberry.field(
        description=(
            "The quality of the profile from 0 to 1, the sum of `qualityParts`. It does not measure the quality "
            "of feeds."
        )
    )
    quality_parts: list[ProfileQualityShare] = strawberry.field(description="The parts of the quality.")
    missing: list[MissingSignal] = strawberry.field(
        description=("Data that would improve the profile, most achievable first.")
    )
    signals: list[SignalState] = strawberry.field(
        description="The signals of the ranking, and whether they have data about the viewer."
    )
    profile_age_seconds: float | None = strawberry.field(
        description="The seconds since the viewer's last interaction or answer; null if there is none."
    )
    strategy: Strategy = strawberry.field(description="How `forYou` is ranked for the viewer.")

    @classmethod
    def of(cls, known: personalization_status.Status, viewer: Viewer) -> Self:
        """Return the status of a viewer."""
        counts, enough = known.counts, known.thresholds
        return cls(
            id=viewer_global_id("PersonalizationStatus", viewer.user_key, viewer.session_key),
            about=viewer_kind_of(viewer),
            has_sufficient_data=known.has_sufficient_data,
            has_completed_onboarding=known.has_completed_onboarding,
            needs_onboarding=known.needs_onboarding,
            signal_summary=SignalSummary(
                interests=counts.tags,
                learned_interests=counts.learned_tags,
                interactions=counts.interactions,
                likes=counts.likes,
                answers=counts.answered,
            ),
            thresholds=PersonalizationThresholds(
                interests=enough.tags, interactions=enough.interactions, likes=enough.likes
            ),
            stage=known.stage,
            quality=known.quality,
            quality_parts=[
                ProfileQualityShare(part=part, value=value, maximum=weights.QUALITY_SHARES[part.value])
                for part, value in known.parts.items()
            ],
            missing=[
                MissingSignal(kind=m.kind, have=m.have, needed=m.needed, remaining=m.remaining, text=m.text)
                for m in known.missing
            ],
            signals=[
                SignalState(signal=described(s.signal), active=s.active, inactive_reason=s.why) for s in known.signals
            ],
            profile_age_seconds=known.profile_age_s,
            strategy=known.strategy,
        )


async def personalization_status_of(context: Context) -> PersonalizationStatus:
    """Return the current status, in one statement besides the viewer's own."""
    viewer, at = await context.viewer(), now()
    recent = at - timedelta(days=weights.RECENT_VIEWS_DAYS)
    allowed = preferences_in(viewer.settings)
    counts = await signal_counts(context.stores.database, viewer.actor_id, recent, learnable_kinds(allowed))
    known = personalization_status.status_of(counts, at, await context.feeds.model(), allowed, context.thresholds)
    return PersonalizationStatus.of(known, viewer)


@strawberry.type
class PersonalizationQuery:
    @computed(Cost(500))
    async def personalization_status(self, info: Info) -> PersonalizationStatus:
        """The amount of data about the viewer: whether to show onboarding, and the quality of the profile.

        Always current.
        """
        return await personalization_status_of(info.context)
