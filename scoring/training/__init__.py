"""Fitting the curves that rank, and deciding whether they may serve."""
