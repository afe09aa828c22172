"""Authentication of callers: bearer tokens, issuer keys, session ids and network hashes.

What a caller may ask for is decided in `gateway.limits`, and what a role may do in the graph.
"""
