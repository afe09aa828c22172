"""The viewer, their interests, mutes and settings, and the personalization status.

Export, deletion and sessions are in `account_mutations`.
"""
