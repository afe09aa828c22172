"""Limits of one operation, and of the points that one caller may spend in a minute.

They apply before a document is validated or run, in this order: the number and nesting of variables (`limits`), the
size of the parsed document (`selections`, `document_size`), its `cost`, and the caller's `budget`.
`gateway.connections` has the limits of HTTP connections.
"""
