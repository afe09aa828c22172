"""The ranking: mathematics (arrays in, arrays out) and pipelines (call stores, call mathematics, return a ranking)."""
