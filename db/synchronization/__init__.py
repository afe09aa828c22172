"""Synchronization of the vector index with the database: reading, embedding and writing index documents.

Updating the index belongs here, for single outbox rows or as a whole. Recording changes (`db.outbox`) does not.
"""
