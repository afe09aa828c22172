"""Interactions of actors with projects: raw events, the engagement aggregated from them, and live counters.

Interests, settings and identity of actors belong in `db.actors`; fitted models belong in `db.trained_models`.
"""
