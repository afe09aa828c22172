"""Operations on all data of an actor: claims of sessions, export and deletion.

Reads and writes of interests and preferences belong in `db.actors`, of interactions in `db.interactions`.
"""
