"""The relational truth: one model for SQLite and PostgreSQL.

- `catalogue`: `User`, `Project`, `Term` (a tool, a category or a topic), `Tool`, `ProjectTerm`;
- `acts`: `Actor` (a user or a session), `Interaction` (raw, append-only), `Engagement` (one row for each actor and
  project), `Like`, `Save`, `Dismissal`, `Mute`, `DecayedCounters`, `UserTag`, `RemovedInterest`;
- `onboarding`: the quiz;
- `machine`: `OutboxRow`, `Erasure`, `Job`, `RankingModel`, `ServedPage`, and what is built at night.

Keys: ``id`` is ours, ``key`` is the platform's own and what every input takes.
"""

from db.models.base import Base, now
from db.models.catalog import Project, ProjectTerm, Term, Tool, User
from db.models.enums import (
    ENGAGEMENT_BIT,
    EngagementKind,
    FeedKind,
    InteractionType,
    MuteKind,
    OutboxKind,
    QuestionType,
    Role,
    TagSource,
    TermKind,
)
from db.models.interactions import (
    Actor,
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
    UserTag,
)
from db.models.onboarding import OnboardingQuestion, OnboardingResponse
from db.models.operations import (
    ActivityRate,
    Erasure,
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
    "ENGAGEMENT_BIT",
    "ActivityRate",
    "Actor",
    "Base",
    "DecayedCounters",
    "Dismissal",
    "Engagement",
    "EngagementKind",
    "Erasure",
    "EventId",
    "FeedKind",
    "Interaction",
    "InteractionType",
    "ItemFactors",
    "ItemNeighbors",
    "Job",
    "Like",
    "Mute",
    "MuteKind",
    "NetworkCount",
    "OnboardingQuestion",
    "OnboardingResponse",
    "OutboxKind",
    "OutboxRow",
    "Project",
    "ProjectTerm",
    "QuestionType",
    "RankingModel",
    "RemovedInterest",
    "Role",
    "Save",
    "ServedPage",
    "TagSource",
    "TasteCluster",
    "Term",
    "TermKind",
    "Tool",
    "User",
    "UserFactors",
    "UserTag",
    "VelocityConstants",
    "now",
]
