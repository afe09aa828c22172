"""Migrations of the database schema, one revision in each file of `versions`. `db.schema` applies them.

There are no downgrades; restore the backup made before the migration.
"""
