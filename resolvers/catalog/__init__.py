"""Tools, categories and users as clients see them, and the bulk mutations by which the platform sends its records.

Projects are in `feeds`: they carry explanations and lists of similar projects.
"""
