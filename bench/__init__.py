"""Benchmarks; README.md has the measured figures. The product does not import this package."""
