"""Embedding models: one protocol, an implementation per file, and a cache in front of paid ones.

Turning texts into vectors belongs here; storing and searching vectors does not.
"""
