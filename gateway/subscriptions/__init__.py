"""Subscriptions: over WebSockets (graphql-transport-ws) and as event streams (graphql-sse).

Both authenticate and admit operations as every request does (`gateway.admission`). Queries and mutations go over HTTP
only.
"""
