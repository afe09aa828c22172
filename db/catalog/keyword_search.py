"""Texts of projects, and keyword search in the database, used while the index is unavailable."""

from collections.abc import Sequence

from sqlalchemy import Float, case, cast, func, literal, or_, select

from db.catalog.project_cards import ProjectFilter, conditions
from db.catalog.visibility import PUBLIC
from db.database.column_types import IDS, contains_text, in_list
from db.database.engine import Database
from db.models import Project, ProjectSearchText, ProjectTerm, Term
from db.vectors.text_analysis import fold, query_words

MAX_WORDS = 8
"""Maximum number of words of a query. Each word scans all texts."""

_NAMES = (
    select(func.aggregate_strings(Term.name, " "))
    .join(ProjectTerm, ProjectTerm.term_id == Term.id)
    .where(ProjectTerm.project_id == Project.id)
    .scalar_subquery()
)
_TEXTS = select(Project.id, Project.title, Project.description, _NAMES.label("names")).where(in_list(Project.id, IDS))


async def texts_by_id(database: Database, ids: Sequence[int]) -> dict[int, str]:
    """Read the title, description and term names of projects, joined into one text per project."""
    rows = await database.fetch(_TEXTS, {"ids": ids})
    return {row.id: " ".join(part for part in (row.title, row.description, row.names) if part) for row in rows}


async def title_matches(database: Database, query: str, limit: int, where: ProjectFilter) -> list[tuple[int, float]]:
    """Find public projects with words of the query in their title or description, by a scan of all folded texts.

    Returns project ids with a score from 0 to 1, best first. A word counts 2 in the title and 1 in the description; the
    score is the sum divided by its maximum. Ties go to the newest project.
    """
    folded_words = dict.fromkeys(map(fold, query_words(query)))
    words = [word for word in folded_words if word][:MAX_WORDS]  # a lone accent folds to "", which every text contains
    if not words:
        return []
    in_title = [contains_text(ProjectSearchText.title, word) for word in words]
    in_text = [contains_text(ProjectSearchText.description, word) for word in words]
    points = [case((clause, 2), else_=0) for clause in in_title] + [case((clause, 1), else_=0) for clause in in_text]
    total = sum(points[1:], start=points[0])
    share = (cast(total, Float) / literal(3 * len(words))).label("share")
    statement = (
        select(Project.id, share)
        .join(ProjectSearchText, ProjectSearchText.project_id == Project.id)
        .where(PUBLIC, or_(*in_title, *in_text), *conditions(where))
        .order_by(share.desc(), Project.created_at.desc(), Project.id.desc())
        .limit(limit)
    )
    return [(row.id, row.share) for row in await database.fetch(statement)]
