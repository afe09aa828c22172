"""Replay of an event log: past feed requests, their candidates, and the measurement of rankings on them.

Training and evaluation share it. Fitting belongs in `scoring.mathematics`, comparisons and reports in those two.
"""
