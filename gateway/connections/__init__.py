"""HTTP/1 connections of the server: strict parsing, limits on size, time and number, and upgrades to WebSockets.

Nothing here knows GraphQL; limits on operations are in `gateway.limits`.
"""
