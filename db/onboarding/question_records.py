"""Records of onboarding questions, their validation, and their stored form."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from db.models import QuestionType, TermKind
from db.records import Key, Name, Record, Text

MAX_OPTIONS = 50
"""Maximum number of options of a question."""

MAX_LOCALES = 100
MAX_ANSWER_LENGTH = 500
"""Maximum number of characters of an answer in own words."""

_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")

_REQUIRED_REFERENCE = {QuestionType.TOOL_SELECT: "tool", QuestionType.CATEGORY_SELECT: "category"}
"""Field that every option of a question of this type must have."""


def canonical_locale(locale: str) -> str:
    """Normalize a BCP 47 language tag: ``de_CH`` becomes ``de-ch``."""
    return locale.replace("_", "-").lower()


def _is_locale(value: str) -> str:
    if not _LOCALE.fullmatch(value.replace("_", "-")) or len(value) > 35:
        raise ValueError('must be a language tag, such as "de" or "pt-BR"')
    return canonical_locale(value)


Locale = Annotated[str, AfterValidator(_is_locale)]
Label = Annotated[Name, Field(max_length=200)]
Sentence = Annotated[Text, Field(max_length=1_000)]


class OptionTranslation(Record):
    """A translation of an option."""

    locale: Locale
    label: Label
    description: Sentence = ""


class QuestionTranslation(Record):
    """A translation of a question, without its options."""

    locale: Locale
    text: Sentence
    description: Sentence = ""


def _by_locale(translations: Iterable[OptionTranslation | QuestionTranslation]) -> dict[str, Any]:
    return {translation.locale: translation.model_dump(exclude={"locale"}) for translation in translations}


class OptionRecord(Record):
    """An option, with the key of at most one tool or category."""

    id: Key
    label: Label
    icon: Annotated[Text, Field(max_length=2_000)] = ""
    description: Sentence = ""
    tool: Key | None = None
    category: Key | None = None
    translations: Annotated[tuple[OptionTranslation, ...], Field(max_length=MAX_LOCALES)] = ()

    @model_validator(mode="after")
    def _has_one_reference(self) -> Self:
        if self.tool is not None and self.category is not None:
            raise ValueError("an option refers to a tool or to a category, not to both")
        return self

    @property
    def term(self) -> tuple[TermKind, str] | None:
        """Kind and key of the tool or category of the option; None if it has neither."""
        if self.tool is not None:
            return TermKind.TOOL, self.tool
        return (TermKind.CATEGORY, self.category) if self.category is not None else None

    def stored(self) -> dict[str, Any]:
        """Return the option as stored in `OnboardingQuestion.options`."""
        term = None if self.term is None else {"kind": self.term[0].value, "key": self.term[1]}
        columns = self.model_dump(include={"id", "label", "icon", "description"})
        return columns | {"term": term, "translations": _by_locale(self.translations)}


class QuestionRecord(Record):
    """A question. Default of `max_choices`: 1 for an experience question, otherwise the number of options."""

    key: Key
    type: QuestionType
    text: Annotated[Sentence, StringConstraints(min_length=1)]
    description: Sentence = ""
    options: Annotated[tuple[OptionRecord, ...], Field(min_length=1, max_length=MAX_OPTIONS)]
    order: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    active: bool = True
    min_choices: Annotated[int, Field(ge=0)] = 1
    max_choices: Annotated[int | None, Field(ge=1)] = None
    allows_text: bool = False
    translations: Annotated[tuple[QuestionTranslation, ...], Field(max_length=MAX_LOCALES)] = ()

    @property
    def max_chosen(self) -> int:
        """Maximum number of chosen options."""
        if self.max_choices is not None:
            return self.max_choices
        return 1 if self.type is QuestionType.EXPERIENCE else len(self.options)

    @model_validator(mode="after")
    def _is_answerable(self) -> Self:
        ids = [option.id for option in self.options]
        if len(set(ids)) < len(ids):
            raise ValueError("two options have the same id; ids must be unique")
        if self.max_chosen > len(ids):
            raise ValueError(f"maxChoices is {self.max_chosen}, and there are only {len(ids)} options")
        if self.min_choices > self.max_chosen:
            raise ValueError(f"minChoices is {self.min_choices}, which is more than maxChoices, {self.max_chosen}")
        reference = _REQUIRED_REFERENCE.get(self.type)
        for option in self.options:
            if reference is not None and getattr(option, reference) is None:
                raise ValueError(
                    f"each option of a {self.type.value} question names a {reference}; {option.id!r} does not"
                )
        return self

    def stored(self) -> dict[str, Any]:
        """Return the columns of `OnboardingQuestion`."""
        columns = self.model_dump(include={"text", "description", "allows_text", "active"})
        return columns | {
            "type": self.type.value,
            "options": [option.stored() for option in self.options],
            "translations": _by_locale(self.translations),
            "least": self.min_choices,
            "most": self.max_chosen,
            "position": self.order,
        }
