"""Signals from other actors: the evidence loader for requests, and the nightly collaborative training.

The mathematics is in `scoring.mathematics`; only code that reads or writes the database belongs here.
"""
