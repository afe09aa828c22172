"""Why a project is where it is: the numbers that ranked it, what moved it, and the evidence in words."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Self, get_type_hints

import strawberry

from db.catalog.project_cards import ProjectFilter
from resolvers.catalog.user import User
from resolvers.common.context import Info
from resolvers.common.enums import SignalGroup
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import reason_global_id
from resolvers.feeds.explanation_causes import Counterfactual
from resolvers.feeds.lazy_project import LazyProject, visible_project
from scoring import ranking, weights
from scoring.explanation import reasons as evidence
from scoring.explanation.signal_descriptions import SIGNALS
from scoring.ranking import Rule, ScoredProject, as_float


@strawberry.type(description="One of the measures that a score is made of.")
class Signal:
    """A signal, described for people."""

    name: str = strawberry.field(description="Its name for programs, for example `vector_similarity`.")
    label: str = strawberry.field(description="A few words for a legend.")
    group: SignalGroup = strawberry.field(description="What kind of evidence it is: for colours.")
    unit: str = strawberry.field(description="What its value counts.")


@cache
def described(signal: weights.Signal) -> Signal:
    """Show a signal."""
    words = SIGNALS[signal]
    return Signal(name=signal.value, label=words.label, group=SignalGroup(words.group), unit=words.unit)


@strawberry.type(description="What one signal added to the score.")
class Contribution:
    """A signal's share of a score."""

    signal: Signal = strawberry.field(description="The signal.")
    value: float = strawberry.field(description="What was measured, in the signal's unit.")
    contribution: float = strawberry.field(description="What that added to the score, or took off it; may be negative.")
    switched_off: bool = strawberry.field(
        description="Whether you have switched it off (`updatePersonalizationSettings`): it then adds 0, whatever its "
        "value."
    )


@strawberry.type(description="One move of a project away from the rank that its score alone would give it.")
class Adjustment:
    """A recorded move."""

    rule: Rule = strawberry.field(description="What moved it.")
    penalty: float = strawberry.field(
        description="The score that the rule took off when this place was given. Within a page, score minus penalty "
        "falls from place to place, except where an owner or a category had its share of the page, or a place was "
        "given away by exploration."
    )
    from_rank: int = strawberry.field(description="Its rank by score alone, from 1.")
    to_rank: int = strawberry.field(description="Its rank as served, from 1.")
    blocker_id: strawberry.Private[int | None] = None

    @classmethod
    def of(cls, moved: ranking.Adjustment) -> Self:
        """Show a move."""
        return cls(
            rule=moved.rule,
            penalty=as_float(moved.penalty),
            from_rank=moved.from_rank,
            to_rank=moved.to_rank,
            blocker_id=moved.because_of,
        )

    @computed("The project further up that stood in its way; null if none did.")
    async def blocked_by(self, info: Info) -> LazyProject | None:
        """Give what stood in the way."""
        return await visible_project(info, self.blocker_id) if self.blocker_id is not None else None


@strawberry.interface(description="A piece of evidence behind the score, in words and with its details by type.")
class Reason:
    """A reason as a client sees it."""

    id: strawberry.ID = strawberry.field(
        description="Names this reason for this project. `dismissProject(reasonId:)` takes it."
    )
    text: str = strawberry.field(description="The reason in plain words, ready to show.")
    group: SignalGroup = strawberry.field(description="What kind of evidence it is: for colours.")


class _OtherProject:
    """The field `project` of a reason that names one."""

    project_id: strawberry.Private[int]

    @computed("The other project; null if you may not see it any more.")
    async def project(self, info: Info) -> LazyProject | None:
        """Return the project."""
        return await visible_project(info, self.project_id)


class _Owner:
    """The field `owner` of a reason that names one."""

    owner_id: strawberry.Private[int]

    @computed("The owner; null if the account is deleted.")
    async def owner(self, info: Info) -> User | None:
        """Return the owner."""
        card = await info.context.loaders.users_by_id.load(self.owner_id)
        return None if card is None else User.of(card)


_RESOLVED: Mapping[type[evidence.Reason], type] = {
    evidence.SimilarToProject: _OtherProject,
    evidence.FromOwner: _Owner,
}


def _graph_type(reason: type[evidence.Reason]) -> type[Reason]:
    """Return the GraphQL type of a reason: its documented fields, and those that need a loader."""
    hints, namespace = get_type_hints(reason, include_extras=True), dict(vars(_RESOLVED.get(reason, object)))
    annotations: dict[str, Any] = dict(namespace.get("__annotations__", {}))
    for field in fields(reason):
        hint = hints[field.name]
        if isinstance(description := getattr(hint, "__metadata__", (None,))[0], str):
            annotations[field.name] = list[str] if hint.__origin__ == tuple[str, ...] else hint.__origin__
            namespace[field.name] = strawberry.field(description=description)
    made = {name: value for name, value in namespace.items() if not name.startswith("__")}
    class_ = type(reason.__name__, (Reason,), made | {"__annotations__": annotations, "__doc__": reason.__doc__})
    return strawberry.type(class_, description=reason.__doc__)


@strawberry.type(description="Why a project has this score for this viewer. The numbers are those that ranked it.")
class Explanation:
    """An explained score. Words are looked up when asked for; the numbers are there."""

    score: float = strawberry.field(description="The score. Higher ranks first; compare within one feed only.")
    contributions: list[Contribution] = strawberry.field(
        description="What each signal added, the largest in size first. They add up to `score`."
    )
    adjustments: list[Adjustment] = strawberry.field(
        description="What came between the score and the rank; empty if nothing did."
    )
    explained: strawberry.Private[ScoredProject]
    page: strawberry.Private[ProjectFilter | None] = None

    @classmethod
    def of(cls, explained: ScoredProject, page: ProjectFilter | None = None) -> Self:
        """Show a score with its parts; `page` is what For You is narrowed to, None for another feed."""
        parts = zip(explained.signals, explained.values, explained.contributions, strict=True)
        strongest_first = sorted(parts, key=lambda part: (-abs(part[2]), part[0].value))
        return cls(
            score=as_float(explained.score),
            contributions=[
                Contribution(
                    signal=described(signal),
                    value=value,
                    contribution=as_float(contribution),
                    switched_off=signal in explained.switched_off,
                )
                for signal, value, contribution in strongest_first
            ],
            adjustments=[Adjustment.of(moved) for moved in explained.adjustments],
            explained=explained,
            page=page,
        )

    @computed("One plain sentence, for a tooltip.", Cost(30))
    async def summary(self, info: Info) -> str:
        """Give the sentence."""
        return evidence.summary(self.explained, await self._found(info))

    @computed(
        "The evidence, the weightiest first. Ask for details by type: `... on Popular { likeCount }`.",
        Cost(30, entries=5),
    )
    async def reasons(self, info: Info) -> list[Reason]:
        """Give the evidence."""
        return [_reason(self.explained.project_id, found) for found in await self._found(info)]

    @computed(
        "What of your own doing keeps the project among the first 30 of your `forYou`: the fewest interests and acts "
        "(up to 3) without which it would leave, found by ranking your page again without them. Null if it is not "
        "there, in other feeds, if nothing of yours would remove it, or if 300 ms were not enough: ask it for one "
        "project at a time, when somebody wants to know, since all that a request asks shares that time.",
        Cost(2_000),
    )
    async def what_would_remove_it(self, info: Info) -> Counterfactual | None:
        """Give the causes."""
        if self.page is None:
            return None
        found = await info.context.loaders.causes_by_project.load((self.explained, self.page))
        return None if found is None else Counterfactual.of(found)

    async def _found(self, info: Info) -> tuple[evidence.Reason, ...]:
        return await info.context.loaders.reasons_by_project.load(self.explained) or ()


_GRAPH_TYPES: Mapping[type[evidence.Reason], type[Reason]] = {
    reason: _graph_type(reason) for reason in evidence.REASONS
}

REASON_TYPES = tuple(_GRAPH_TYPES.values())


def _reason(project_id: int, found: evidence.Reason) -> Reason:
    shown: Any = _GRAPH_TYPES[type(found)]
    values = {field.name: getattr(found, field.name) for field in fields(shown) if field.init}
    return shown(**values | {"id": reason_global_id(project_id, found.id), "group": SignalGroup(found.group)})  # type: ignore[no-any-return]
