"""A double of a Weaviate server: it speaks REST and gRPC to the real client, and really searches.

What it keeps to the letter: cosine, BM25F, relativeScoreFusion with its explanations, filters, limits, errors per
object, API keys, aliases. What it does not: shards, replicas, modules, and the recall of HNSW (it searches exactly).
`python -m tests.doubles.weaviate` serves one by hand.
"""

from tests.doubles.weaviate.server import WeaviateDouble, running_weaviate

__all__ = ["WeaviateDouble", "running_weaviate"]
