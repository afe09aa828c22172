"""Actors (users and sessions): identity, interests, preferences, mutes, and inputs of the trust score.

Interactions belong in `db.interactions`; claims, export and deletion belong in `db.privacy`.
"""
