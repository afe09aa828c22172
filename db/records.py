"""What comes in: the records of the import format, which the service-side mutations take too.

Validation happens here and nowhere else, so that a bad line of a file and a bad argument of a mutation get the same
sentence. The format is described in `docs/import.md`.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from db.models import InteractionType, Role, TermKind, now

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of our clock a platform's clock may run."""

MAX_TEXT = 100_000
"""Characters of the longest text that is taken. A page shows a few hundred, an embedding reads a few thousand."""


def _not_in_the_future(value: datetime) -> datetime:
    if value > now() + MAX_CLOCK_SKEW:
        raise ValueError(f"{value.isoformat()} is in the future")
    return value.astimezone(UTC)


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


Key = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_without_nul)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True), AfterValidator(_without_nul)
]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_without_nul)]
PastTime = Annotated[AwareDatetime, AfterValidator(_not_in_the_future)]
Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s]+$")]


class Record(BaseModel):
    """Base of all records: immutable, and strict about names so that a misspelt field is not lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TagRecord(Record):
    """A user's stated interest."""

    name: Name
    kind: TermKind
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0


class UserRecord(Record):
    """A user. `tags` replaces what an earlier import set; tags made by hand stay."""

    key: Key
    username: Name
    bio: Text = ""
    tier: Annotated[str, StringConstraints(max_length=100)] = ""
    points: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    role: Role = Role.VIEWER
    tags: Annotated[tuple[TagRecord, ...], Field(max_length=1_000)] = ()


class ToolRecord(Record):
    """A tool of the catalogue."""

    key: Key
    name: Name
    tagline: Annotated[Text, Field(max_length=500)] = ""
    description: Text = ""
    category: Annotated[Text, Field(max_length=500)] = ""
    tags: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    use_cases: Text = ""


class CategoryRecord(Record):
    """A category of the catalogue."""

    key: Key
    name: Name
    description: Text = ""


class ProjectRecord(Record):
    """A project. `tools`, `categories` and `topics` are keys; one that is not known yet is made, named like its key."""

    key: Key
    title: Annotated[Name, Field(max_length=1_000)]
    description: Text = ""
    type: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[a-z][a-z0-9_]*$")]
    tools: Annotated[tuple[Key, ...], Field(max_length=100)] = ()
    categories: Annotated[tuple[Key, ...], Field(max_length=100)] = ()
    topics: Annotated[tuple[Key, ...], Field(max_length=200)] = ()
    owner: Key | None = None
    url: Url | None = None
    image_url: Url | None = None
    created_at: PastTime | None = None
    private: bool = False
    archived: bool = False
    source: Annotated[dict[str, Any], Field(max_length=100)] = {}


class InteractionRecord(Record):
    """One event of one user with one project; its identity is (user, project, type, at)."""

    user: Key
    project: Key
    type: InteractionType
    at: PastTime | None = None
