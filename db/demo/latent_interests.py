"""The ten interests behind the demo: every person's taste is a mixture of one to three of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOOL_WEIGHT = 0.2
"""What one matching tool adds to how much a project is about an interest; its categories count 0.3 to 1."""


@dataclass(frozen=True, slots=True)
class Interest:
    """One latent interest.

    Attributes
    ----------
    categories
        How much each category belongs to it, 0 to 1.
    tools, topics
        Keys of what somebody with this interest uses and follows.
    bios
        What such a person might write about themselves.
    """

    key: str
    categories: dict[str, float]
    tools: tuple[str, ...]
    topics: tuple[str, ...]
    bios: tuple[str, ...]


INTERESTS = (
    Interest(
        "agents",
        {"agents": 1.0, "automation": 0.6, "rag": 0.4},
        ("langgraph", "crewai", "n8n", "langfuse", "claude", "langchain"),
        ("multi-agent", "planning", "tool-use"),
        (
            "Building agents that know when to stop.",
            "Two agents in production, one in therapy.",
            "Interested in hand-overs between people and machines.",
            "I write tool descriptions for a living now.",
            "Looking for boring, reliable agents.",
            "Here for planning, memory and good logs.",
        ),
    ),
    Interest(
        "home-lab",
        {"local-models": 1.0, "fine-tuning": 0.5, "deployment": 0.3},
        ("ollama", "llama-cpp", "llama", "qwen", "docker", "raspberry-pi"),
        ("self-hosted", "quantisation", "hardware"),
        (
            "Everything runs in a closet at home.",
            "Collects small models like others collect stamps.",
            "My graphics card heats the study.",
            "Private by default, offline if possible.",
            "Quantises first, asks questions later.",
            "Still looking for the perfect 8B.",
        ),
    ),
    Interest(
        "pictures",
        {"images": 1.0, "video": 0.7, "games": 0.3},
        ("stable-diffusion", "comfyui", "flux", "midjourney", "blender", "runway"),
        ("style", "characters", "print"),
        (
            "Makes picture books with too many foxes.",
            "Node graphs and watercolours.",
            "Printmaker learning new tricks.",
            "I like pictures with a wrong shadow in them.",
            "Storyboards by day, posters by night.",
            "Trying to get the same coat on the same child twice.",
        ),
    ),
    Interest(
        "sound",
        {"music": 1.0, "speech": 0.7, "video": 0.3},
        ("suno", "musicgen", "whisper", "piper", "elevenlabs", "ffmpeg"),
        ("restoration", "tts", "captions"),
        (
            "Records rain.",
            "Plays bass, mends old tapes.",
            "Working on voices for small languages.",
            "Half radio producer, half programmer.",
            "Listens to the gaps between words.",
            "Building instruments nobody asked for.",
        ),
    ),
    Interest(
        "code",
        {"coding": 1.0, "evaluation": 0.4, "agents": 0.4},
        ("claude-code", "aider", "cursor", "github-copilot", "deepseek", "qwen"),
        ("code-review", "testing", "legacy"),
        (
            "Reads more code than I write, happily.",
            "Small diffs, big coffee.",
            "Maintains something written in 1998.",
            "I review what machines write.",
            "Terminal person, late convert.",
            "Interested in tests that can fail.",
        ),
    ),
    Interest(
        "facts",
        {"data": 1.0, "rag": 0.6, "evaluation": 0.4},
        ("duckdb", "pandas", "jupyter", "streamlit", "pgvector", "weaviate"),
        ("statistics", "sql", "open-data"),
        (
            "Draws charts for people who hate charts.",
            "Open data, open windows.",
            "Always asks who collected it.",
            "SQL is my second language.",
            "Searches archives for a living.",
            "Counts bicycles, buses and birds.",
        ),
    ),
    Interest(
        "words",
        {"writing": 1.0, "prompts": 0.7, "education": 0.3},
        ("claude", "chatgpt", "mistral", "obsidian", "gemini"),
        ("editing", "style", "plain-language"),
        (
            "Edits other people's sentences.",
            "Writes slowly, cuts quickly.",
            "Plain language, please.",
            "Fourth novel, third ending.",
            "Translator with a soft spot for footnotes.",
            "Collects opening lines.",
        ),
    ),
    Interest(
        "teaching",
        {"education": 1.0, "prompts": 0.4, "speech": 0.4},
        ("anki", "chatgpt", "gemini", "piper", "mistral"),
        ("tutoring", "language-learning", "children"),
        (
            "Teaches maths to eleven-year-olds.",
            "Curious how people learn from machines.",
            "Runs the model evening at our library.",
            "Learning my fifth language, badly.",
            "Questions before answers.",
            "Makes worksheets that do not bore.",
        ),
    ),
    Interest(
        "making",
        {"vision": 1.0, "automation": 0.6, "games": 0.4},
        ("raspberry-pi", "opencv", "yolo", "home-assistant", "godot"),
        ("counting", "smart-home", "robotics"),
        (
            "Solder, sawdust and small cameras.",
            "Counting hedgehogs since 2021.",
            "My house is smarter than me before coffee.",
            "Robots that fail politely.",
            "Makes toys with too many sensors.",
            "Weekend farmer, weekday engineer.",
        ),
    ),
    Interest(
        "operations",
        {"deployment": 1.0, "evaluation": 0.7, "fine-tuning": 0.5},
        ("kubernetes", "vllm", "mlflow", "langfuse", "promptfoo", "unsloth", "peft"),
        ("costs", "incidents", "monitoring"),
        (
            "Keeps models awake at night, and the other way round.",
            "Cares about the 95th percentile.",
            "Writes runbooks for strangers.",
            "Here for cost graphs.",
            "Fine-tunes rarely, measures always.",
            "Recovering from a migration.",
        ),
    ),
)

INTEREST_INDEX = {interest.key: i for i, interest in enumerate(INTERESTS)}


def about(categories: Iterable[str], tools: Iterable[str]) -> NDArray[np.float64]:
    """Tell how much something with these categories and tools is about each interest, 0 to 1."""
    categories, tools = tuple(categories), tuple(tools)
    weights = np.zeros(len(INTERESTS))
    for i, interest in enumerate(INTERESTS):
        weights[i] = sum(interest.categories.get(key, 0.0) for key in categories)
        weights[i] += TOOL_WEIGHT * sum(key in interest.tools for key in tools)
    return np.minimum(weights, 1.0)
