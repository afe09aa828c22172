"""Mutations on single projects: like, save, dismiss, and batches of recorded interactions.

The rules are in `scoring.use_cases`; mutes and interests, which concern many projects, are in `preferences`.
"""
