"""Generation of onboarding questions from the catalog and its likes.

`db.onboarding` stores questions and answers, and `scoring.profiles` reads the answers into a viewer's profile.
"""
