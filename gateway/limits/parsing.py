"""Parsing that stops at the first word too many."""

from graphql import DocumentNode, GraphQLSyntaxError, parse

from gateway.limits.errors import OverLimit

_TOO_MANY = "Document contains more than"
"""How graphql-core begins its message about tokens and comments, behind `Syntax Error: `."""


def parse_within(text: str, *, characters: int, tokens: int) -> DocumentNode:
    """Parse a document.

    Parameters
    ----------
    characters
        Characters that it may have: 64,000 blanks take 3 ms, and nobody needs them.
    tokens
        Words and signs that it may have, and as many comments.

    Raises
    ------
    OverLimit
        If it has more.
    GraphQLSyntaxError
        If it breaks GraphQL's grammar, or is nested so deep that no parser would follow.
    """
    if len(text) > characters:
        raise OverLimit("DOCUMENT_TOO_LONG", _LONG.format(len(text), characters), asked=len(text), allowed=characters)
    try:
        return parse(text, max_lexical_tokens=tokens, max_comments=tokens)
    except GraphQLSyntaxError as error:
        if _TOO_MANY not in error.message:
            raise
    raise OverLimit("TOO_MANY_TOKENS", _TOKENS.format(tokens), asked=tokens + 1, allowed=tokens)


_LONG = "The document has {:,} characters; {:,} are allowed. Send values as variables, and a part at a time."
_TOKENS = "The document has more than {:,} words and signs. Send values as variables, and a part at a time."
