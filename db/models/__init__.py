"""The relational truth: one model for SQLite and PostgreSQL.

- `catalogue`: `User`, `Project`, `Term` (a tool, a category or a topic), `Tool`, `ProjectTerm`;
- `acts`: `Actor` (a user or a session), `Interaction` (raw, append-only), `Engagement` (one row for each actor and
  project), `Like`, `Save`, `Dismissal`, `Mute`, `ProjectPulse`, `UserTag`, `RemovedInterest`;
- `onboarding`: the quiz;
- `machine`: `OutboxRow`, `Erasure`, `Job`, `RankingModel`, `ServedPage`, and what is built at night.

Keys: ``id`` is ours, ``key`` is the platform's own and what every input takes.
"""

from db.models.acts import (
    Actor,
    Crowd,
    Dismissal,
    Engagement,
    EventId,
    Interaction,
    Like,
    Mute,
    ProjectPulse,
    RemovedInterest,
    Save,
    UserTag,
)
from db.models.base import Base, now
from db.models.catalogue import Project, ProjectTerm, Term, Tool, User
from db.models.kinds import (
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
from db.models.machine import (
    ActorTaste,
    BusyHour,
    Erasure,
    Job,
    OutboxRow,
    ProjectNeighbours,
    ProjectTaste,
    RankingModel,
    ServedPage,
    TasteCircle,
    VelocityConstants,
)
from db.models.onboarding import OnboardingQuestion, OnboardingResponse

__all__ = [
    "ENGAGEMENT_BIT",
    "Actor",
    "ActorTaste",
    "Base",
    "BusyHour",
    "Crowd",
    "Dismissal",
    "Engagement",
    "EngagementKind",
    "Erasure",
    "EventId",
    "FeedKind",
    "Interaction",
    "InteractionType",
    "Job",
    "Like",
    "Mute",
    "MuteKind",
    "OnboardingQuestion",
    "OnboardingResponse",
    "OutboxKind",
    "OutboxRow",
    "Project",
    "ProjectNeighbours",
    "ProjectPulse",
    "ProjectTaste",
    "ProjectTerm",
    "QuestionType",
    "RankingModel",
    "RemovedInterest",
    "Role",
    "Save",
    "ServedPage",
    "TagSource",
    "TasteCircle",
    "Term",
    "TermKind",
    "Tool",
    "User",
    "UserTag",
    "VelocityConstants",
    "now",
]
