"""How well a viewer is known, and what that means for the feed."""

from datetime import timedelta
from typing import Self

import strawberry

from db.actors.actor_preferences import preferences_in
from db.actors.profile_counts import signal_counts
from db.actors.users import Viewer
from db.models import now
from resolvers.common.context import Context, Info
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
    "How well a viewer is known. What somebody did says more than what somebody said, so it is looked at first.",
    {
        "NEW": "Nothing is known that a feed could go by.",
        "QUIZ": "The quiz is answered, or interests are stated, and nothing has been done yet.",
        "LIGHT": "Something has been done, but less than the thresholds.",
        "HEAVY": "As many projects were touched or liked as the thresholds say, or more.",
    },
)
register_enum(
    QualityPart,
    "ProfileQualityPart",
    "What the quality of a profile is made of.",
    {
        "INTERESTS": f"Interests, of any source: up to {weights.QUALITY_SHARES['interests']:g}, full at the threshold.",
        "HISTORY": f"Projects that you did something with: up to {weights.QUALITY_SHARES['history']:g}, by the "
        "logarithm, full at five times the threshold.",
        "LIKES": f"Projects that you like: up to {weights.QUALITY_SHARES['likes']:g}, by the logarithm, full at four "
        "times the threshold.",
        "RECENCY": f"How long ago you last did or said something: up to {weights.QUALITY_SHARES['recency']:g}, halved "
        f"every {weights.QUALITY_HALF_LIFE_DAYS:g} days.",
    },
)
register_enum(
    MissingKind,
    "MissingSignalKind",
    "What a viewer could give to be known better.",
    {
        "ONBOARDING": "Unanswered onboarding questions.",
        "PEOPLE": "Enough interests or touched projects to find people alike.",
        "INTERESTS": "Interests up to the threshold.",
        "INTERACTIONS": "Touched projects up to the threshold.",
        "LIKES": "Likes up to the threshold.",
    },
)


@strawberry.type(description="How much is known of you, counted.")
class SignalSummary:
    """Counts of what is known."""

    interests: int = strawberry.field(description="Interests of any source: stated, imported and learned.")
    learned_interests: int = strawberry.field(description="How many of these are learned from what you did.")
    interactions: int = strawberry.field(description="Projects that you did something with; each counts once.")
    likes: int = strawberry.field(description="Projects that you like now.")
    answers: int = strawberry.field(description="Questions of today's quiz that you answered.")


@strawberry.type(description="From where on there is enough of each kind of data; any one of them is enough.")
class PersonalizationThresholds:
    """The operator's thresholds."""

    interests: int = strawberry.field(description="Interests.")
    interactions: int = strawberry.field(description="Projects that you did something with.")
    likes: int = strawberry.field(description="Projects that you like.")


@strawberry.type(description="What one part adds to the quality of your profile.")
class ProfileQualityShare:
    """A part of the quality."""

    part: QualityPart = strawberry.field(description="Which part.")
    value: float = strawberry.field(description="What it adds.")
    maximum: float = strawberry.field(description="The most that it can add; these add up to 1.")


@strawberry.type(description="Something that you could give to be known better.")
class MissingSignal:
    """A step to the next threshold."""

    kind: MissingKind = strawberry.field(description="What it is.")
    have: int = strawberry.field(description="How much there is.")
    needed: int = strawberry.field(description="How much it takes.")
    remaining: int = strawberry.field(description="How much more that is.")
    text: str = strawberry.field(description='In words, ready to show: for example "Like 3 more projects".')


@strawberry.type(description="Whether a signal of your ranking has anything to go by.")
class SignalState:
    """A signal, on or idle."""

    signal: Signal = strawberry.field(description="The signal.")
    active: bool = strawberry.field(description="Whether it can add to a score of yours.")
    inactive_reason: str | None = strawberry.field(description="Why it cannot, in words; null if it can.")


@strawberry.type(
    description="How well you are known, and what your feed is made from. Without a token it is about your session; "
    "without a session about nobody."
)
class PersonalizationStatus:
    """A status as a client sees it."""

    id: strawberry.ID = strawberry.field(
        description="Opaque, for client caches: with it, the `status` in the answer to the quiz renews what your page "
        "shows of it."
    )
    about: ViewerKind = strawberry.field(description="Whether it is about a user, a session, or nobody.")
    has_sufficient_data: bool = strawberry.field(
        description="Whether at least one of the thresholds is reached: enough to be personal."
    )
    has_completed_onboarding: bool = strawberry.field(
        description="Whether you answered any question of the quiz, or skipped them all: no need to ask again."
    )
    needs_onboarding: bool = strawberry.field(
        description="Whether the quiz should be shown: there is neither enough data nor an answer."
    )
    signal_summary: SignalSummary = strawberry.field(description="How much is known, counted.")
    thresholds: PersonalizationThresholds = strawberry.field(description="What counts as enough.")
    stage: ViewerStage = strawberry.field(description="How well you are known, as one of four stages.")
    quality: float = strawberry.field(
        description="How much there is to go by, 0 (nothing) to 1 (as much as helps): the sum of `qualityParts`, for a "
        "badge or a ring. It does not measure how good a page is."
    )
    quality_parts: list[ProfileQualityShare] = strawberry.field(description="What the quality is made of.")
    missing: list[MissingSignal] = strawberry.field(description="What would help, the nearest at hand first.")
    signals: list[SignalState] = strawberry.field(
        description="The signals of the ranking, and which of them have something to go by."
    )
    profile_age_seconds: float | None = strawberry.field(
        description="Seconds since you last did or said something that your profile is made from; null for none."
    )
    strategy: Strategy = strawberry.field(description="How `forYou` is made for you now.")

    @classmethod
    def of(cls, known: personalization_status.Status, viewer: Viewer) -> Self:
        """Show what is known of a viewer."""
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
    """Tell how well the viewer is known now: one statement beside the viewer's own."""
    viewer, at = await context.viewer(), now()
    recent = at - timedelta(days=weights.RECENT_VIEWS_DAYS)
    allowed = preferences_in(viewer.settings)
    counts = await signal_counts(context.stores.database, viewer.actor_id, recent, learnable_kinds(allowed))
    known = personalization_status.status_of(counts, at, await context.feeds.model(), allowed, context.thresholds)
    return PersonalizationStatus.of(known, viewer)


@strawberry.type
class PersonalizationQuery:
    """What can be asked about the viewer's profile."""

    @computed(
        "How well you are known: whether to show the quiz, a badge for the profile's quality, and what would make it "
        "better. True to the second.",
        Cost(500),
    )
    async def personalization_status(self, info: Info) -> PersonalizationStatus:
        """Give the status."""
        return await personalization_status_of(info.context)
