"""The documents that this process has seen: each text is parsed once and validated once while it is remembered.

Parsing and validating a feed query costs some milliseconds, as much as running it. A document is kept when it comes for
the second time, so that a flood of documents made up for the occasion displaces nothing and fills nothing.
"""

from collections import OrderedDict
from collections.abc import Callable

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, specified_rules, validate
from graphql.validation import ASTValidationRule, NoSchemaIntrospectionCustomRule
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gateway.documents.bounded import BoundedByText
from gateway.documents.document import Document, DocumentRefused
from gateway.masking import PARSING

KEPT_CHARACTERS = 300_000
"""Text of all documents that are kept. Their trees take 90 to 280 bytes a character (a feed query, a list of names of
one letter): 26 MB as a rule, 83 MB if somebody is out for it. Documents of clients have 1,000 to 3,000 characters."""

LONGEST_KEPT = 30_000
"""Characters of the longest document that is kept; introspection as GraphiQL sends it has 1,900."""

MOST_ERRORS = 20
"""Errors after which validation stops: who mends the first twenty sees the next."""

SEEN = 4_096
"""Texts whose hash is remembered, to know them at their second coming."""


class DocumentCache:
    """Reads documents against one schema.

    Parameters
    ----------
    schema
        What documents are validated against.
    introspection
        Whether a document may ask for the schema itself, and whether errors may name what else there is.
    kept_characters
        Text of all documents that are kept.
    parse
        Parses; raises GraphQLError for what breaks the grammar.

    Attributes
    ----------
    is_open
        Whether introspection is open.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool = True,
        kept_characters: int = KEPT_CHARACTERS,
        parse: Callable[[str], DocumentNode] = parse,
    ) -> None:
        self._schema = schema
        self._parse = parse
        self.is_open = introspection
        self._rules: list[type[ASTValidationRule]] = [
            *specified_rules,
            MaybeNullValidationRule,
            OneOfInputValidationRule,
            *([] if introspection else [NoSchemaIntrospectionCustomRule]),
        ]
        self._kept: BoundedByText[Document] = BoundedByText(kept_characters)
        self._seen: OrderedDict[int, None] = OrderedDict()

    def read(self, text: str) -> Document:
        """Parse a document, or remember it.

        Raises
        ------
        DocumentRefused
            If it breaks GraphQL's grammar.
        """
        known = self._kept.get(text)
        if known is not None:
            return known
        try:
            return Document(text, self._parse(text))
        except GraphQLError as error:
            raise DocumentRefused([error], PARSING) from None

    def validate(self, document: Document) -> None:
        """See to it that the schema can answer a document.

        Raises
        ------
        DocumentRefused
            If it cannot; with the places that are wrong, `MOST_ERRORS` at most.
        """
        if document.is_valid:
            return
        errors = validate(
            self._schema, document.node, self._rules, hide_suggestions=not self.is_open, max_errors=MOST_ERRORS
        )
        if errors:
            raise DocumentRefused(errors)
        document.is_valid = True
        if len(document.text) <= LONGEST_KEPT and self._came_before(document.text):
            self._kept.put(document.text, document, len(document.text))

    def _came_before(self, text: str) -> bool:
        key = hash(text)
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return False
