"""Authentication of callers: bearer tokens, issuer keys, session ids and network hashes.

`gateway.limits` limits what a caller may request, and the graph what a role may do.
"""
