"""Explanations: reasons with evidence, counterfactual causes, and the diagnosis of a missing project.

The numbers that are explained come from `scoring.ranking`; how a client sees them is decided in `resolvers`.
"""
