"""Abusive requests to a running gateway: checks the responses, and measures CPU time and memory.

    .venv/bin/python -m bench.abuse [--rounds 3] [--group NAME]

Each module with a list `PROBES` is a group; `groups` lists them. `tests/gateway/test_abuse.py` sends each probe once.
"""
