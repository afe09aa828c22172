"""Personal data across tables and stores: claims of sessions, export and deletion.

Reads and writes of single interests, preferences or interactions belong in `db.actors` and `db.interactions`.
"""
