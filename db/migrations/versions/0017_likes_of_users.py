"""Count likes of users only; likes of sessions count once a user claims the session."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Subtract the likes of sessions from the like counters."""
    op.execute(
        "UPDATE projects SET like_count = CASE WHEN like_count > s.likes THEN like_count - s.likes ELSE 0 END FROM ("
        "SELECT l.project_id, COUNT(*) AS likes FROM likes AS l JOIN actors AS a ON a.id = l.actor_id"
        " WHERE a.user_id IS NULL GROUP BY l.project_id) AS s WHERE s.project_id = projects.id"
    )
