"""Feeds, the projects in them, and the explanations of their places: three types that name each other.

Mutations on a project are in `interactions`, what a viewer is known by in `preferences`.
"""
