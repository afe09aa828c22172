"""Models of the relational database, for SQLite and PostgreSQL. Queries belong in the packages that use them.

`catalog` has users, projects and terms; `interactions` has actors, interactions and counters; `onboarding` has
questions and answers; `operations` has outbox, jobs, erasures, served pages and trained models. In every table ``id``
is internal, and ``key`` is the platform's own id, which the API uses.
"""

from db.models.base import Base, now
from db.models.catalog import Project, ProjectEmbedding, ProjectSearchText, ProjectTerm, Term, Tool, User
from db.models.enums import (
    CUSTOM_TYPES_OF_EACH_KIND,
    DELIBERATE_KINDS,
    ENGAGEMENT_BIT,
    FIRST_CUSTOM_BIT,
    PASSIVE_KINDS,
    EngagementKind,
    FeedKind,
    InteractionType,
    InterestSource,
    MuteKind,
    OutboxKind,
    QuestionType,
    Role,
    TermKind,
)
from db.models.interactions import (
    Actor,
    ActorInterest,
    CustomInteractionType,
    DecayedCounters,
    Dismissal,
    Engagement,
    EventId,
    Interaction,
    Like,
    Mute,
    NetworkCount,
    RemovedInterest,
    Save,
)
from db.models.onboarding import OnboardingQuestion, OnboardingResponse
from db.models.operations import (
    ActivityRate,
    Erasure,
    Installation,
    ItemFactors,
    ItemNeighbors,
    Job,
    OutboxRow,
    RankingModel,
    ServedPage,
    TasteCluster,
    UserFactors,
    VelocityConstants,
)

__all__ = [
    "CUSTOM_TYPES_OF_EACH_KIND", "DELIBERATE_KINDS", "ENGAGEMENT_BIT", "FIRST_CUSTOM_BIT", "PASSIVE_KINDS",
    "ActivityRate", "Actor", "ActorInterest", "Base", "CustomInteractionType", "DecayedCounters", "Dismissal",
    "Engagement", "EngagementKind", "Erasure", "EventId", "FeedKind", "Installation", "Interaction", "InteractionType",
    "InterestSource", "ItemFactors", "ItemNeighbors", "Job", "Like", "Mute", "MuteKind", "NetworkCount",
    "OnboardingQuestion", "OnboardingResponse", "OutboxKind", "OutboxRow", "Project", "ProjectEmbedding",
    "ProjectSearchText", "ProjectTerm", "QuestionType", "RankingModel", "RemovedInterest", "Role", "Save", "ServedPage",
    "TasteCluster", "Term", "TermKind", "Tool", "User", "UserFactors", "VelocityConstants", "now",
]  # fmt: skip
