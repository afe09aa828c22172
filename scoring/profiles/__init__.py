"""Profiles of viewers: interests, history, negative feedback, preferences and personalization status.

What others did belongs to `scoring.collaborative`.
"""
