"""Caches with a time to live: one protocol, an implementation per file, and single-flight computation.

Storing bytes that may be lost belongs here. Encoding and decoding of the bytes does not.
"""
