"""Ranking models in use: presets, their stored form, and providers of the active model and trend constants.

Fitting and comparing models belongs to `scoring.training`, scoring itself to `scoring.mathematics.additive_model`.
"""
