"""Inputs that a platform has configured: its own types of interactions, and embeddings of its projects."""

from dataclasses import dataclass
from typing import NamedTuple

from db.custom_types import NO_CUSTOM_TYPES, CustomTypes


class EmbeddingSpace(NamedTuple):
    """The model and the dimension of the embeddings that a platform sends."""

    model: str
    dimension: int


@dataclass(frozen=True, slots=True)
class PlatformInputs:
    """The configured inputs. `embedding_space` is None if projects bring no embeddings."""

    custom_types: CustomTypes = NO_CUSTOM_TYPES
    embedding_space: EmbeddingSpace | None = None


NO_PLATFORM_INPUTS = PlatformInputs()
