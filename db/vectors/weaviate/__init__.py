"""The vector store on a Weaviate cluster.

Code that knows the client's classes and the server's collections belongs here; analysis and fusion do not.
"""

from db.vectors.weaviate.connection import Address
from db.vectors.weaviate.schema import Layout
from db.vectors.weaviate.store import WeaviateVectorStore

__all__ = ["Address", "Layout", "WeaviateVectorStore"]
