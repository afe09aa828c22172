"""The catalog: projects, terms and their visibility. Reads for rankings and pages; writes of the platform's records.

Interactions belong in `db.interactions`, index documents in `db.synchronization`.
"""
