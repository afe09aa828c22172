"""Replay of an event log: past feed requests, their candidates, and the measurement of rankings on them.

`scoring.training` and `scoring.evaluation` use this package, and hold the comparisons and reports. Fitting of models
belongs in `scoring.mathematics`.
"""
