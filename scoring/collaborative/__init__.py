"""Signals from other actors: the evidence loader that serves requests, and the nightly training.

The mathematics is in `scoring.mathematics`; only code that reads or writes the database belongs here.
"""
