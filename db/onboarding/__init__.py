"""Onboarding: questions, answers of actors, and the interests and settings that answers set.

Generation of questions and use of answers in rankings belong in `scoring`.
"""
