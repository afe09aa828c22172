"""CPU, latency and memory of served pages, beside graphql-yoga: ``python -m bench.serving`` or ``make bench``."""
