"""Execution of operations: plans of documents, and an executor that reads most fields without graphql-core.

What a field reads is declared at the field (`resolvers.common.views`, `resolvers.common.field_costs.computed`).
"""
