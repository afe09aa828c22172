"""Ranking of projects: mathematics, pipelines, snapshots, explanations, training, evaluation and the use cases.

`docs/ranking.md` describes the ranking, and `pyproject.toml` states which package may import which.
"""
