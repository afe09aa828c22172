"""The types of tools, categories, topics and users, and the bulk mutations by which the platform sends its records.

Projects are in `feeds`, because they have explanations and feeds of similar projects.
"""
