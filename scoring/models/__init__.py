"""Ranking models that serve: presets, their stored form, and the reader of the active model and trend constants.

Fitting and judging belongs to `scoring.training`, scoring itself to `scoring.mathematics.additive_model`.
"""
