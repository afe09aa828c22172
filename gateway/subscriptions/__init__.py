"""Subscriptions: over WebSockets (graphql-transport-ws) and as event streams (graphql-sse).

Both authenticate callers and admit operations like all requests (`gateway.admission`). Queries and mutations are
served over HTTP only.
"""
