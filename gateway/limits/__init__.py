"""Limits of one operation, and of the points that one caller may spend in a minute.

They apply before a document is validated or run, in this order: `variables` (nesting and number of values), the parsed
document (`outline`, `shape`), its `cost`, and the caller's `budget`. Limits of HTTP connections are elsewhere.
"""
