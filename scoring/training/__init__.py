"""Fitting of models and trend constants to this installation's log, and the decision whether they become active.

The mathematics of the fit belongs in `scoring.mathematics`, the replay of the log in `scoring.replay`.
"""
