"""Onboarding: questions and the answers of actors, with the interests and settings that follow from them.

The generation of questions and the use of answers in rankings belong in `scoring`.
"""
