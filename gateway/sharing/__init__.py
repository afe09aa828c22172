"""Memory that the processes of one server share: a hash table in a file, and counts of open connections and streams.

What the processes of several servers share is in Redis (`gateway.limits.redis_rate_limits`).
"""
