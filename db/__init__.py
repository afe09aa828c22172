"""Stores: the relational database, and the vector index, embeddings and cache, which are projections or caches of it.

Rules of rankings belong in `scoring`; the API belongs in `resolvers`.
"""
