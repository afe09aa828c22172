"""Commands of `explore`: each parses its arguments, calls one function and prints the outcome.

The work of a command is in `scoring`, `db` or the rest of the gateway; no rule of the product belongs here.
"""
