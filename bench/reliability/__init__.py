"""Faults of the stores and of the gateway's processes, with the effect on a steady load; writes docs/reliability.md.

Servers, load, faults and verification belong here. `bench.kills` and `bench.soak` use them as well.
"""
