"""Actors: identity of users and sessions, and what is known of each: interests, preferences, mutes, trust inputs.

Interactions with projects belong in `db.interactions`; claims, export and deletion belong in `db.privacy`.
"""
