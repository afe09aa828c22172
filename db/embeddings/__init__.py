"""Embedding models: one protocol, an implementation per file, and a cache for models with a price.

Converting texts to vectors belongs here. Storing and searching vectors does not.
"""
