"""The rule for what exists for a caller: SQL conditions that every statement on behalf of a viewer shares.

A project exists for everybody while it is public, and for its owner at any time. A tool, category or topic exists for
everybody if the platform has sent it (`Term.listed`) or a public project carries it; a user exists for everybody who
owns a public project. What occurs on private, archived or deleted projects only is answered like a key that was never
used. The platform's own service writes by key and is not bound by this.
"""

from sqlalchemy import and_, bindparam, or_, select

from db.database.column_types import BigIntId
from db.models import Project, ProjectTerm, Term, User, UserTag

PUBLIC = and_(~Project.private, ~Project.archived)
"""A condition on `Project`: nothing else is ever served to anybody but its owner."""

_USER = bindparam("user", type_=BigIntId)
_ACTOR = bindparam("actor", type_=BigIntId)
_CARRYING = (
    select(ProjectTerm.project_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(ProjectTerm.term_id == Term.id)
    .correlate(Term)
)

VISIBLE_PROJECT = or_(PUBLIC, Project.owner_id == _USER)
"""A condition on `Project`: the user bound to ``user`` may see it."""

PUBLIC_TERM = or_(Term.listed, _CARRYING.where(PUBLIC).exists())
"""A condition on `Term`: it exists for everybody."""

KNOWN_TERM = or_(
    PUBLIC_TERM,
    _CARRYING.where(Project.owner_id == _USER).exists(),
    select(UserTag.term_id).where(UserTag.term_id == Term.id, UserTag.actor_id == _ACTOR).correlate(Term).exists(),
)
"""A condition on `Term`: it exists for everybody, the user bound to ``user`` owns a project that carries it, or it is
an interest of the actor bound to ``actor``."""

PUBLIC_USER = select(Project.id).where(Project.owner_id == User.id, PUBLIC).correlate(User).exists()
"""A condition on `User`: they own a public project."""

KNOWN_USER = or_(User.id == _USER, PUBLIC_USER)
"""A condition on `User`: they own a public project, or are the user bound to ``user``."""
