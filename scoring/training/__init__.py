"""Fitting of ranking models and trend constants to this installation's log, and the decision whether to activate them.

The mathematics of the fit belongs in `scoring.mathematics`, the replay of the log in `scoring.replay`.
"""
