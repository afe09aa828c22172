"""Mutations on a whole account: claiming sessions, exporting and deleting personal data, removing users.

Mutations on single projects are in `interactions`; the rules are in `scoring.use_cases.manage_account`.
"""
