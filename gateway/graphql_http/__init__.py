"""GraphQL over HTTP: parameters read from a request, the media type, and the HTTP response of a result.

Documents are in `gateway.documents`; `gateway.endpoint` runs operations.
"""
