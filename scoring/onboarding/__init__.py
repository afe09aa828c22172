"""Generation of onboarding questions from the catalog and its likes.

Storing questions and answers belongs in `db`; reading them into a viewer's profile belongs in the profiles package.
"""
