"""The onboarding quiz of the demo, and the answers of the viewer who has done nothing but the quiz."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from db.demo.vocabulary import categories, tools
from db.models import QuestionType, TermKind


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose; `icon` names a drawing, `term` is what choosing it says about the viewer's interests."""

    id: str
    label: str
    icon: str
    description: str
    term: tuple[TermKind, str] | None = None

    def stored(self) -> dict[str, Any]:
        """Give the form in which `OnboardingQuestion.options` holds it."""
        term = None if self.term is None else {"kind": self.term[0].value, "key": self.term[1]}
        return {
            "id": self.id,
            "label": self.label,
            "icon": self.icon,
            "description": self.description,
            "term": term,
        }


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the quiz."""

    key: str
    type: QuestionType
    text: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class QuizAnswer:
    """What one user, named by key, chose for one question."""

    user: str
    question: str
    options: tuple[str, ...]


_TOOLS = (
    ("chatgpt", "speech-bubble"), ("claude", "book"), ("ollama", "house"), ("whisper", "microphone"),
    ("stable-diffusion", "palette"), ("comfyui", "nodes"), ("suno", "music-note"), ("claude-code", "terminal"),
    ("n8n", "arrows"), ("langgraph", "graph"), ("duckdb", "table"), ("raspberry-pi", "chip"),
)  # fmt: skip
_CATEGORIES = (
    ("agents", "robot"), ("rag", "magnifier"), ("images", "palette"), ("video", "film"), ("music", "music-note"),
    ("coding", "brackets"), ("local-models", "house"), ("data", "chart"), ("automation", "gear"), ("writing", "pen"),
    ("education", "cap"), ("games", "dice"),
)  # fmt: skip
_USE_CASES = (
    Option("work", "My job", "briefcase", "Things that save time or make the result better."),
    Option("side-project", "A side project", "rocket", "I am building something of my own."),
    Option("learning", "Learning", "cap", "I want to understand how it works."),
    Option("teaching", "Teaching others", "people", "A class, a team or a family."),
    Option("art", "Making art", "palette", "Pictures, music, film or words."),
    Option("looking", "Just looking", "eye", "Show me what people are up to."),
)
_EXPERIENCE = (
    Option("new", "New to this", "seedling", "I have tried a chat assistant once or twice."),
    Option("regular", "Regular", "leaf", "I use a few tools every week."),
    Option("builder", "Builder", "hammer", "I connect models to other things."),
    Option("expert", "Expert", "tree", "I train, serve or research models."),
)


def questions() -> tuple[Question, ...]:
    """Give the four questions in their order."""
    tool_words = {tool.key: (tool.name, tool.tagline) for tool in tools()}
    category_words = {c.record.key: (c.record.name, c.record.description) for c in categories()}
    return (
        Question(
            "tools", QuestionType.TOOL_SELECT, "Which of these do you use, or want to try?",
            tuple(_term_options(_TOOLS, TermKind.TOOL, tool_words)),
        ),
        Question(
            "categories", QuestionType.CATEGORY_SELECT, "What would you like to see more of?",
            tuple(_term_options(_CATEGORIES, TermKind.CATEGORY, category_words)),
        ),
        Question("use-case", QuestionType.USE_CASE, "What brings you here?", _USE_CASES),
        Question("experience", QuestionType.EXPERIENCE, "How much have you done with these tools?", _EXPERIENCE),
    )  # fmt: skip


ANSWERS = (
    QuizAnswer("quiz", "tools", ("stable-diffusion", "comfyui")),
    QuizAnswer("quiz", "categories", ("images", "video")),
    QuizAnswer("quiz", "use-case", ("art",)),
    QuizAnswer("quiz", "experience", ("regular",)),
)


def chosen_terms(asked: Iterable[Question], answers: Iterable[QuizAnswer]) -> list[tuple[str, TermKind, str]]:
    """Give what the answers say about interests: the user's key with the kind and the key of a term."""
    terms = {(question.key, option.id): option.term for question in asked for option in question.options}
    chosen = [(answer.user, terms[answer.question, option]) for answer in answers for option in answer.options]
    return [(user, *term) for user, term in chosen if term is not None]


def _term_options(
    chosen: Iterable[tuple[str, str]], kind: TermKind, words: dict[str, tuple[str, str]]
) -> Iterable[Option]:
    for key, icon in chosen:
        label, description = words[key]
        yield Option(key, label, icon, description, (kind, key))
