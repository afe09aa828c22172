"""Explanations: reasons with evidence, counterfactual causes, and the diagnosis of a missing project.

`scoring.ranking` holds the scores that are explained; `resolvers` defines the GraphQL types.
"""
