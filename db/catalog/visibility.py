"""Rules of visibility: SQL conditions that every statement on behalf of a viewer shares.

A project is visible to everybody while it is public, and to its owner always. A term is visible to everybody if the
platform has sent it (`Term.listed`) or a public project carries it; a user, if they own a public project. Anything
else is answered like an unknown key. The platform's own service writes by key and is not restricted.
"""

from sqlalchemy import and_, bindparam, or_, select

from db.database.column_types import BigIntId
from db.models import Mute, Project, ProjectTerm, Term, User, UserTag

PUBLIC = and_(~Project.private, ~Project.archived)
"""A condition on `Project`: neither private nor archived."""

_USER = bindparam("user", type_=BigIntId)
_ACTOR = bindparam("actor", type_=BigIntId)
_MUTER = bindparam("muter", type_=BigIntId)
_CARRYING = (
    select(ProjectTerm.project_id)
    .join(Project, Project.id == ProjectTerm.project_id)
    .where(ProjectTerm.term_id == Term.id)
    .correlate(Term)
)

VISIBLE_PROJECT = or_(PUBLIC, Project.owner_id == _USER)
"""A condition on `Project`: visible to the user bound to ``user``."""

PUBLIC_TERM = or_(Term.listed, _CARRYING.where(PUBLIC).exists())
"""A condition on `Term`: visible to everybody."""

KNOWN_TERM = or_(
    PUBLIC_TERM,
    _CARRYING.where(Project.owner_id == _USER).exists(),
    select(UserTag.term_id).where(UserTag.term_id == Term.id, UserTag.actor_id == _ACTOR).correlate(Term).exists(),
)
"""A condition on `Term`: public, carried by a project of the user bound to ``user``, or an interest of the actor bound
to ``actor``."""

PUBLIC_USER = select(Project.id).where(Project.owner_id == User.id, PUBLIC).correlate(User).exists()
"""A condition on `User`: owns a public project."""

KNOWN_USER = or_(User.id == _USER, PUBLIC_USER)
"""A condition on `User`: owns a public project, or is the user bound to ``user``."""

MUTED = or_(
    select(Mute.id)
    .join(ProjectTerm, ProjectTerm.term_id == Mute.term_id)
    .where(ProjectTerm.project_id == Project.id, Mute.actor_id == _MUTER)
    .exists(),
    select(Mute.id).where(Mute.owner_id == Project.owner_id, Mute.actor_id == _MUTER).exists(),
)
"""A condition on `Project`: the actor bound to ``muter`` (None: nobody) has muted its owner or one of its terms.

It starts from the project's terms, so that its cost does not depend on the number of mutes."""
