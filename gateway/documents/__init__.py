"""GraphQL documents: the request parameters that name a document, its resolution to a text, parsing and validation.

Limits of a document are in `gateway.limits`, its execution in `gateway.endpoint` and `gateway.subscriptions`.
"""
