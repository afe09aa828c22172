"""The embedded vector store: one SQLite file with full-text search, and a matrix of vectors in each process.

Code that knows this file's tables belongs here; analysis and fusion, which both engines share, do not.
"""

from db.vectors.embedded.store import EmbeddedVectorStore

__all__ = ["EmbeddedVectorStore"]
