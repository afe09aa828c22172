"""Mutations on a whole account: claiming sessions, exporting and deleting personal data, removing users.

What a viewer may do with one project is in `interactions`; the rules are in `scoring.use_cases.manage_account`.
"""
