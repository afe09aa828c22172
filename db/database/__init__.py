"""Access to the relational database: connections, column types, batch statements.

Models belong in `db.models`, migrations in `db.migrations`, queries in `db.catalog`, `db.actors` and others.
"""
