"""Synchronization of the vector index with the database: reading, embedding and writing index documents.

Bringing the index up to date belongs here, row by row or as a whole; recording what has changed (`db.outbox`) does not.
"""
