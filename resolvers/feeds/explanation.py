"""Explanations of scores: contributions, adjustments, reasons and counterfactuals."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, NamedTuple, get_type_hints

import strawberry

from db.catalog.project_cards import ProjectFilter
from db.models import InteractionType, TermKind
from db.page_projects import PageNeeds, PageProject
from resolvers.catalog.catalog_types import User, user_by_id
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.enums import SignalGroup
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import reason_global_id
from resolvers.common.views import NotRead, View, view_type
from scoring import ranking
from scoring.explanation import counterfactual_search
from scoring.explanation import reasons as evidence
from scoring.explanation.reason_finders import strongest_action
from scoring.explanation.signal_descriptions import SIGNALS
from scoring.mathematics import signals
from scoring.ranking import Rule, ScoredProject, as_float

if TYPE_CHECKING:
    from resolvers.feeds.project import Project

LazyProject = Annotated["Project", strawberry.lazy("resolvers.feeds.project")]
"""Lazy type, because projects have explanations, and explanations refer to projects."""


async def visible_project(info: Info, project_id: int) -> LazyProject | None:
    """Return the project with this database id if the viewer may see it."""
    from resolvers.feeds import project  # noqa: PLC0415 (the types of the two modules refer to each other)

    card = await info.context.loaders.cards_by_id.load(project_id)
    return None if card is None else project.Project.of(card)


class ReasonRow(NamedTuple):
    """A reason for the rank of a project."""

    project_id: int
    evidence: evidence.Reason


class AdjustmentRow(NamedTuple):
    """A change of rank, with the projects of its page by id."""

    adjustment: ranking.Adjustment
    projects: Mapping[int, PageProject]

    @property
    def blocked_by(self) -> PageProject | None:
        """The project that caused the change. Raises `NotRead` if it is on another page."""
        blocker_id = self.adjustment.blocker_id
        if blocker_id is None:
            return None
        if blocker_id not in self.projects:
            raise NotRead
        return self.projects[blocker_id]


class ExplanationRow(NamedTuple):
    """A score to explain."""

    scored: ScoredProject
    where: ProjectFilter | None = None  # the filter of For You, None for other feeds
    reasons: Sequence[evidence.Reason] | None = None  # None if they have not been read
    projects: Mapping[int, PageProject] = MappingProxyType({})  # of the page, by id

    @property
    def adjustments(self) -> list[AdjustmentRow]:
        """The changes of rank."""
        return [AdjustmentRow(adjustment, self.projects) for adjustment in self.scored.adjustments]

    @property
    def contributions(self) -> list[tuple[int, signals.Signal, float, int, bool]]:
        """The contributions, largest first.

        Each is a tuple: negative absolute contribution, signal, value, contribution. Contributions are in millionths of
        the score.
        """
        scored = self.scored
        sizes = [-abs(contribution) for contribution in scored.contributions]
        switched_off = map(scored.switched_off.__contains__, scored.signals)
        return sorted(zip(sizes, scored.signals, scored.values, scored.contributions, switched_off, strict=True))

    @property
    def summary(self) -> str:
        """The explanation in one sentence. Raises `NotRead`."""
        return evidence.summary(self.scored, self._read_reasons())

    @property
    def reason_rows(self) -> list[ReasonRow]:
        """The reasons. Raises `NotRead`."""
        return [ReasonRow(self.scored.project_id, reason) for reason in self._read_reasons()]

    def _read_reasons(self) -> Sequence[evidence.Reason]:
        if self.reasons is None:
            raise NotRead
        return self.reasons


_GROUPS = {group.value: group for group in SignalGroup}


@view_type(
    name="value",
    label=lambda signal: SIGNALS[signal].label,
    group=lambda signal: _GROUPS[SIGNALS[signal].group],
    unit=lambda signal: SIGNALS[signal].unit,
)
class Signal(View):
    """A measure that contributes to a score."""

    row: strawberry.Private[signals.Signal]
    is_constant = True
    name: Annotated[str, "The name, for example `vector_similarity`."]
    label: Annotated[str, "A short label."]
    group: Annotated[SignalGroup, "The kind of evidence."]
    unit: Annotated[str, "The unit of its value."]


@view_type(
    signal=itemgetter(1),
    value=itemgetter(2),
    contribution=lambda row: as_float(row[3]),
    switched_off=itemgetter(4),
)
class Contribution(View):
    """The contribution of a signal to a score."""

    signal: Annotated[Signal, "The signal."]
    value: Annotated[float, "The value of the signal, in its unit."]
    contribution: Annotated[float, "The amount added to the score; may be negative."]
    switched_off: Annotated[
        bool,
        "Whether you switched the signal off with `updatePersonalizationSettings`. It then contributes 0.",
    ]


@view_type(
    rule="adjustment.rule",
    penalty=lambda row: as_float(row.adjustment.penalty),
    from_rank="adjustment.from_rank",
    to_rank="adjustment.to_rank",
)
class Adjustment(View):
    """A change of rank after scoring."""

    row: strawberry.Private[AdjustmentRow]
    rule: Annotated[Rule, "The rule."]
    penalty: Annotated[
        float,
        "The score that the rule subtracted. Within a page, the score minus the penalties falls from rank to rank, "
        "except where an owner or a category reached its maximum share of the page, or an exploration project was "
        "placed.",
    ]
    from_rank: Annotated[int, "The rank before the rule, from 1. For the first adjustment, the rank by score."]
    to_rank: Annotated[int, "The rank after the rule, from 1. For the last adjustment, the final rank."]

    @computed(read="blocked_by")
    async def blocked_by(self, info: Info) -> LazyProject | None:
        """The higher-ranked project that caused the change; null if there is none."""
        blocker_id = self.row.adjustment.blocker_id
        return None if blocker_id is None else await visible_project(info, blocker_id)


@strawberry.interface(description="A piece of evidence for a score. Query its details by type.")
class Reason(View):
    """The interface of the evidence types."""

    row: strawberry.Private[ReasonRow]
    id: strawberry.ID = strawberry.field(description="The id of the reason, for `dismissProject(reasonId:)`.")
    text: str = strawberry.field(description="The reason as text for display.")
    group: SignalGroup = strawberry.field(description="The kind of evidence.")

    @classmethod
    def class_of(cls, row: ReasonRow) -> "type[Reason]":
        """Return the type of a reason."""
        return _GRAPH_TYPES[type(row.evidence)]


class _OtherProject:
    """The field `project` of a reason."""

    row: ReasonRow

    @computed(read="evidence.project", is_partial=True)
    async def project(self, info: Info) -> LazyProject | None:
        """The other project; null if you may no longer see it."""
        return await visible_project(info, self.row.evidence.project.id)  # type: ignore[attr-defined]


class _Owner:
    """The field `owner` of a reason."""

    row: ReasonRow

    @computed(read="evidence.owner")
    async def owner(self, info: Info) -> User | None:
        """The owner; null if the account is deleted."""
        return await user_by_id(info, self.row.evidence.owner.id)  # type: ignore[attr-defined]


_LOADED_FIELDS: Mapping[type[evidence.Reason], type] = {
    evidence.SimilarToProject: _OtherProject,
    evidence.FromOwner: _Owner,
}


def _graph_type(reason: type[evidence.Reason]) -> type[Reason]:
    """Create the GraphQL type of a reason from its documented fields and the fields that need a loader."""
    resolved = vars(_LOADED_FIELDS.get(reason, object))
    hints = get_type_hints(reason, include_extras=True)
    documented = {name: hint for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    namespace = {name: value for name, value in resolved.items() if not name.startswith("__")}
    group = SignalGroup(reason.group)
    decorate = view_type(
        id=lambda row: reason_global_id(row.project_id, row.evidence.id),
        group=lambda _row: group,
        **{name: f"evidence.{name}" for name in ("text", *documented)},
    )
    return decorate(
        type(reason.__name__, (Reason,), namespace | {"__annotations__": documented, "__doc__": reason.__doc__})
    )


@strawberry.interface(description="An interest or interaction of yours that brings a project onto your page.")
class Cause:
    text: str = strawberry.field(description="The cause as text for display.")


@object_type
class InterestCause(Cause):
    """One of your interests. Remove it with `removeInterest`, or mute it to hide its projects."""

    key: Annotated[str, "The key of the tool, category or topic."]
    name: Annotated[str, "The name of the interest."]
    kind: Annotated[TermKind, "The kind of the interest."]
    confidence: Annotated[float, "The confidence of the interest, 0 to 1."]


@object_type
class ProjectCause(Cause):
    """Your interaction with a project. Mute it (kind PROJECT) to ignore the interaction."""

    viewer_action: Annotated[
        InteractionType | None, "Your strongest interaction with the project; null for a custom type."
    ]
    viewer_custom_action: Annotated[
        str | None, "Your strongest interaction with the project, if its type is the platform's own."
    ]
    at: Annotated[datetime, "When you last interacted with the project."]
    project_id: strawberry.Private[int]

    @computed()
    async def project(self, info: Info) -> LazyProject | None:
        """The project; null if you may no longer see it."""
        return await visible_project(info, self.project_id)


@object_type
class Counterfactual:
    """The smallest set of your interests and interactions that keeps a project on your page.

    Without them, the project would not be among the first 30 of your `forYou`.
    """

    causes: Annotated[list[Cause], "One to three causes. The project leaves only if all of them are removed."]

    @computed()
    async def text(self) -> str:
        """The causes in one sentence."""
        texts = [self.causes[0].text, *(f"{cause.text[0].lower()}{cause.text[1:]}" for cause in self.causes[1:])]
        if len(texts) == 1:
            return f"{texts[0]} keeps it on your page."
        return f"{', '.join(texts[:-1])} and {texts[-1]} together keep it on your page."


async def _graph_cause(info: Info, cause: counterfactual_search.Cause) -> Cause:
    if (tag := cause.interest) is not None:
        text = f"Your interest in {tag.name}"
        return InterestCause(text=text, key=tag.key, name=tag.name, kind=tag.kind, confidence=tag.confidence)
    engagement = cause.engagement
    assert engagement is not None  # noqa: S101 (a cause is an interest or an engagement)
    action = strongest_action(engagement.kinds, info.context.stores.platform.custom_types)
    card = await info.context.loaders.cards_by_id.load(engagement.project_id)
    return ProjectCause(
        text=f"The fact that you {action.verb} " + ("a deleted project" if card is None else f"“{card.title}”"),
        viewer_action=action.type,
        viewer_custom_action=action.custom_type,
        at=engagement.last_at,
        project_id=engagement.project_id,
    )


_REASONS_COST = Cost(20, default_size=5, points_once=1_000)
"""Cost of reasons that no page has read: the evidence of one score."""


def _reasons_needed() -> PageNeeds:
    return PageNeeds(reasons=True)


@view_type(score=lambda row: as_float(row.scored.score))
class Explanation(View):
    """The parts of a score, as used in the ranking."""

    row: strawberry.Private[ExplanationRow]
    score: Annotated[float, "The score. Comparable within one feed only."]
    contributions: Annotated[
        list[Contribution],
        "The contribution of each signal, largest first. They add up to `score`.",
    ]
    adjustments: Annotated[list[Adjustment], "The changes of rank after scoring, in the order of their application."]

    @computed(_REASONS_COST, read="summary", needs=_reasons_needed)
    async def summary(self, info: Info) -> str:
        """The explanation in one sentence."""
        return (await self._with_reasons(info)).summary

    @computed(_REASONS_COST, read="reason_rows", needs=_reasons_needed)
    async def reasons(self, info: Info) -> list[Reason]:
        """The evidence, most important first. Query details by type: `... on Popular { likeCount }`."""
        return [Reason.class_of(row).of(row) for row in (await self._with_reasons(info)).reason_rows]

    @computed(Cost(500, points_once=10_000))
    async def what_would_remove_it(self, info: Info) -> Counterfactual | None:
        """The smallest set of your interests and interactions that keeps the project on your page.

        The set has at most 3 causes. It is verified by ranking again without them: the project is then not among the
        first 30 of your `forYou`. Null if the project is not among them now, if no such set exists, if the search takes
        longer than 300 ms, and in other feeds. All explanations of a request share the 300 ms, so query this field for
        one project per request.
        """
        if self.row.where is None:
            return None
        causes = await info.context.loaders.causes_by_project.load((self.row.scored, self.row.where))
        if causes is None:
            return None
        # In parallel, so that the loader reads all projects at once.
        return Counterfactual(causes=await asyncio.gather(*(_graph_cause(info, cause) for cause in causes)))

    async def _with_reasons(self, info: Info) -> ExplanationRow:
        reasons = await info.context.loaders.reasons_by_project.load(self.row.scored)
        return self.row._replace(reasons=reasons or ())


_GRAPH_TYPES: Mapping[type[evidence.Reason], type[Reason]] = {
    reason: _graph_type(reason) for reason in evidence.REASONS
}

REASON_TYPES = tuple(_GRAPH_TYPES.values())
