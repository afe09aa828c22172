"""Prices beside the CPU that they stand for: `python -m bench.prices`."""
