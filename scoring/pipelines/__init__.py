"""Pipelines that make rankings: they call stores, call `scoring.mathematics`, and return a `Ranking`.

Storing rankings and cutting pages belongs to `scoring.snapshots`, choosing a pipeline to `scoring.feeds`.
"""
