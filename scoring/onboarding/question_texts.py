"""The words of the quiz that is made from the catalog, in four languages. Tools and categories have their own names.

Each text is a tuple in the order of `LOCALES`; the first is the one that questions are written in.
"""

from typing import NamedTuple

from db.models import QuestionType
from db.onboarding.question_records import OptionRecord, OptionTranslation, QuestionTranslation

LOCALES = ("en", "de", "fr", "es")

Words = tuple[str, str, str, str]


class QuestionText(NamedTuple):
    """A question's words: what is asked, and a line of help below it."""

    text: Words
    description: Words


class OptionText(NamedTuple):
    """A free option: its id, the name of a drawing, and its words."""

    id: str
    icon: str
    label: Words
    description: Words


QUESTIONS: dict[QuestionType, QuestionText] = {
    QuestionType.TOOL_SELECT: QuestionText(
        (
            "Which of these do you use, or want to try?",
            "Was davon nutzen Sie, oder möchten es ausprobieren?",
            "Lesquels utilisez-vous, ou voudriez-vous essayer ?",
            "¿Cuáles usa, o le gustaría probar?",
        ),
        (
            "Choose a few. Projects that use them come first.",
            "Wählen Sie einige. Projekte damit stehen dann vorn.",
            "Choisissez-en quelques-uns. Les projets qui les utilisent viendront d’abord.",
            "Elija algunas. Los proyectos que las usan aparecerán primero.",
        ),
    ),
    QuestionType.CATEGORY_SELECT: QuestionText(
        (
            "What would you like to see more of?",
            "Wovon möchten Sie mehr sehen?",
            "Que souhaitez-vous voir davantage ?",
            "¿De qué le gustaría ver más?",
        ),
        (
            "Choose a few. You will still see other things.",
            "Wählen Sie einige. Anderes sehen Sie weiterhin.",
            "Choisissez-en quelques-uns. Vous verrez toujours autre chose aussi.",
            "Elija algunos. Seguirá viendo también otras cosas.",
        ),
    ),
    QuestionType.USE_CASE: QuestionText(
        ("What brings you here?", "Was führt Sie her?", "Qu’est-ce qui vous amène ?", "¿Qué le trae por aquí?"),
        (
            "You may also say it in your own words.",
            "Sie können es auch in eigenen Worten sagen.",
            "Vous pouvez aussi le dire avec vos propres mots.",
            "También puede decirlo con sus propias palabras.",
        ),
    ),
    QuestionType.EXPERIENCE: QuestionText(
        (
            "How much have you done with tools like these?",
            "Wie viel haben Sie mit solchen Werkzeugen schon gemacht?",
            "Quelle est votre expérience de ce genre d’outils ?",
            "¿Cuánta experiencia tiene con herramientas así?",
        ),
        (
            "There is no wrong answer.",
            "Es gibt keine falsche Antwort.",
            "Il n’y a pas de mauvaise réponse.",
            "No hay respuesta equivocada.",
        ),
    ),
}

USE_CASES = (
    OptionText(
        "work", "briefcase",
        ("My job", "Meine Arbeit", "Mon travail", "Mi trabajo"),
        (
            "Things that save time or make the result better.",
            "Was Zeit spart oder das Ergebnis verbessert.",
            "Ce qui fait gagner du temps ou améliore le résultat.",
            "Lo que ahorra tiempo o mejora el resultado.",
        ),
    ),
    OptionText(
        "side-project", "rocket",
        ("A side project", "Ein eigenes Projekt", "Un projet personnel", "Un proyecto propio"),
        (
            "I am building something of my own.",
            "Ich baue etwas Eigenes.",
            "Je construis quelque chose à moi.",
            "Estoy construyendo algo mío.",
        ),
    ),
    OptionText(
        "learning", "cap",
        ("Learning", "Lernen", "Apprendre", "Aprender"),
        (
            "I want to understand how it works.",
            "Ich möchte verstehen, wie es geht.",
            "Je veux comprendre comment ça marche.",
            "Quiero entender cómo funciona.",
        ),
    ),
    OptionText(
        "teaching", "people",
        ("Teaching others", "Anderen etwas beibringen", "Enseigner", "Enseñar a otros"),
        (
            "A class, a team or a family.",
            "Eine Klasse, ein Team oder die Familie.",
            "Une classe, une équipe ou une famille.",
            "Una clase, un equipo o una familia.",
        ),
    ),
    OptionText(
        "art", "palette",
        ("Making art", "Kunst machen", "Créer", "Crear arte"),
        (
            "Pictures, music, film or words.",
            "Bilder, Musik, Film oder Texte.",
            "Images, musique, films ou mots.",
            "Imágenes, música, cine o palabras.",
        ),
    ),
    OptionText(
        "looking", "eye",
        ("Just looking", "Nur schauen", "Je regarde", "Solo mirar"),
        (
            "Show me what people are up to.",
            "Zeigen Sie mir, was andere so machen.",
            "Montrez-moi ce que font les autres.",
            "Muéstreme qué hace la gente.",
        ),
    ),
)  # fmt: skip

EXPERIENCES = (
    OptionText(
        "new", "seedling",
        ("New to this", "Neu hier", "Je débute", "Soy nuevo"),
        (
            "I have tried one or two things.",
            "Ich habe ein, zwei Dinge ausprobiert.",
            "J’ai essayé une ou deux choses.",
            "He probado una o dos cosas.",
        ),
    ),
    OptionText(
        "regular", "leaf",
        ("Regular", "Regelmäßig", "Régulier", "Habitual"),
        (
            "I use a few tools every week.",
            "Ich nutze jede Woche ein paar Werkzeuge.",
            "J’utilise quelques outils chaque semaine.",
            "Uso algunas herramientas cada semana.",
        ),
    ),
    OptionText(
        "builder", "hammer",
        ("Builder", "Bastler", "Bricoleur", "Constructor"),
        (
            "I connect tools and make new things of them.",
            "Ich verbinde Werkzeuge und baue Neues daraus.",
            "J’assemble des outils pour en faire du neuf.",
            "Conecto herramientas y hago cosas nuevas.",
        ),
    ),
    OptionText(
        "expert", "tree",
        ("Expert", "Experte", "Expert", "Experto"),
        (
            "I make such tools, or study them.",
            "Ich mache solche Werkzeuge oder erforsche sie.",
            "Je crée de tels outils, ou je les étudie.",
            "Hago herramientas así, o las estudio.",
        ),
    ),
)  # fmt: skip


def question_translations(asked: QuestionText) -> tuple[QuestionTranslation, ...]:
    """Give a question's words in every language but the first."""
    return tuple(
        QuestionTranslation(locale=locale, text=asked.text[n], description=asked.description[n])
        for n, locale in enumerate(LOCALES)
        if n > 0
    )


def option_record(offered: OptionText) -> OptionRecord:
    """Make the record of a free option."""
    return OptionRecord(
        id=offered.id,
        label=offered.label[0],
        icon=offered.icon,
        description=offered.description[0],
        translations=tuple(
            OptionTranslation(locale=locale, label=offered.label[n], description=offered.description[n])
            for n, locale in enumerate(LOCALES)
            if n > 0
        ),
    )
