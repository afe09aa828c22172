"""Benches: what is measured, with the figures in README.md. Nothing that is served imports from here."""
