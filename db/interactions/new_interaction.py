"""One event: an actor did something with a project."""

from dataclasses import dataclass
from datetime import datetime

from db.database.column_types import UNKNOWN_TIME
from db.models import FeedKind, InteractionType


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """One thing an actor did with a project. Its identity is (actor, project, type, at).

    Attributes
    ----------
    at
        When; `db.database.column_types.UNKNOWN_TIME` if nobody knows.
    feed_kind, position, snapshot_id
        The feed it happened in, the rank in it from 0, and the snapshot that ranked it, if it was in one.
    session_key
        The session it happened in.
    weight
        How much its actor counts in the project's pulse if this is the first engagement of the two, 0 to 1.
    network
        A hash that the actor's network has for a day; None if it is not known, or says nothing.
    """

    actor_id: int
    project_id: int
    type: InteractionType
    at: datetime = UNKNOWN_TIME
    feed_kind: FeedKind | None = None
    position: int | None = None
    snapshot_id: str | None = None
    session_key: str | None = None
    weight: float = 1.0
    network: str | None = None


Pair = tuple[int, int]
"""An actor's id and a project's id."""
