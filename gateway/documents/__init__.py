"""GraphQL documents: the parameters that name one, its resolution to a text, and its parsed and validated form.

Limits of a document are in `gateway.limits`, its execution in `gateway.endpoint` and `gateway.subscriptions`.
"""
