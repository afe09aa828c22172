"""Defaults of the HNSW graphs of Weaviate, apart from its client, whose import doubles the time of a start."""

DEFAULT_EF, DEFAULT_EF_CONSTRUCTION, DEFAULT_MAX_CONNECTIONS = 800, 256, 32
"""Candidates of a search, candidates of an insertion, and edges of a node, for a recall of the nearest 200 of at least
.98 (`bench/weaviate.py`)."""
