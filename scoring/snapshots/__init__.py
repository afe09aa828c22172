"""Ranking snapshots: stored rankings, and the pages and cursors that are cut from them.

Making rankings belongs to `scoring.pipelines`.
"""
