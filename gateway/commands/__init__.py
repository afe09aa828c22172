"""Commands of `explore`: each parses its arguments, calls one function and prints the outcome.

No rule of the product belongs here; what a command does is in `scoring`, `db` or the rest of the gateway.
"""
