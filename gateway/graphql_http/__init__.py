"""GraphQL over HTTP: how an operation is read out of a request, and how its result becomes an answer."""
