"""The catalog: projects, terms and their visibility, read for rankings and pages, and written from platform records.

What actors do with projects belongs in `db.interactions`; index documents belong in `db.synchronization`.
"""
