"""Feeds, projects and explanations of ranks: three types that refer to each other.

Mutations on a project are in `interactions`, the viewer's interests and settings in `preferences`.
"""
