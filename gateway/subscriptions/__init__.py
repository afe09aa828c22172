"""Subscriptions: over WebSockets (`sockets`, graphql-transport-ws) and as event streams (`events`, graphql-sse).

Both ways recognize who asks and admit the document as every request does (`gateway.endpoint`), take a seat (`seats`),
and begin the subscription (`subscriptions`). Queries and mutations go over HTTP only: one way in, one set of limits.
"""
