"""Servers that speak the wire protocol of stores that cannot run in a test, to the real clients."""
