"""Evaluation of ranking and search on data in the import format, with reports.

Replays and scorers belong in `scoring.replay`, the fit of a model in `scoring.mathematics`.
"""
