"""Rules of visibility: SQL conditions that all statements for a viewer use.

A public project is visible to everybody. A private or archived project is visible only to its owner. A term is visible
to everybody if it is listed (`Term.listed`) or a public project has it. A user is visible to everybody if the user owns
a public project. Everything else is answered like an unknown key. The platform's service is not restricted.
"""

from typing import Any

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.sql import ColumnElement

from db.database.column_types import ACTOR_ID, BigIntId
from db.models import Actor, ActorInterest, Mute, Project, ProjectTerm, Term, User

PUBLIC = and_(~Project.private, ~Project.archived)
"""A condition on `Project`: neither private nor archived."""

_USER = bindparam("user", type_=BigIntId)
_MUTING_ACTOR = bindparam("muter", type_=BigIntId)
_PROJECT_WITH_TERM = (
    select(ProjectTerm.project_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(ProjectTerm.term_id == Term.id)
    .correlate(Term)
)

VISIBLE_PROJECT = or_(PUBLIC, Project.owner_id == _USER)
"""A condition on `Project`: public, or owned by the user bound to ``user``."""

PUBLIC_TERM = or_(Term.listed, _PROJECT_WITH_TERM.where(PUBLIC).exists())
"""A condition on `Term`: listed, or a term of a public project."""

KNOWN_TERM = or_(
    PUBLIC_TERM,
    _PROJECT_WITH_TERM.where(Project.owner_id == _USER).exists(),
    select(ActorInterest.term_id)
    .where(ActorInterest.term_id == Term.id, ActorInterest.actor_id == ACTOR_ID)
    .correlate(Term)
    .exists(),
)
"""A condition on `Term`: public, a term of a project of the user bound to ``user``, or an interest of the actor bound
to ``actor``."""

PUBLIC_USER = select(Project.id).where(Project.owner_id == User.id, PUBLIC).correlate(User).exists()
"""A condition on `User`: owns a public project."""

KNOWN_USER = or_(User.id == _USER, PUBLIC_USER)
"""A condition on `User`: owns a public project, or is the user bound to ``user``."""

MUTED = or_(
    select(Mute.id)
    .join(ProjectTerm, ProjectTerm.term_id == Mute.term_id)
    .where(ProjectTerm.project_id == Project.id, Mute.actor_id == _MUTING_ACTOR)
    .exists(),
    select(Mute.id).where(Mute.owner_id == Project.owner_id, Mute.actor_id == _MUTING_ACTOR).exists(),
)
"""A condition on `Project`: the actor bound to ``muter`` has muted its owner or one of its terms. None: not muted.

The query starts from the project's terms, so that its cost does not depend on the number of mutes."""


def by_user(actor_id: Any) -> ColumnElement[bool]:
    """Return the condition that a column holds the id of a user's actor. What sessions do says nothing about tastes."""
    return select(Actor.id).where(Actor.id == actor_id, Actor.user_id.is_not(None)).exists()
