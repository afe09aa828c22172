"""HTTP/1 connections of the server: strict parsing, limits on size, time and number, and upgrades to WebSockets.

Nothing here depends on GraphQL. The limits on operations are in `gateway.limits`.
"""
