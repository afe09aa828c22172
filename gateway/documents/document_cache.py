"""Cache of parsed and validated documents in this process.

Parsing and validating a feed query costs some milliseconds, as much as running it. A document is cached when it arrives
for the second time, so a flood of unique documents does not evict the cached ones.
"""

from collections import OrderedDict
from collections.abc import Callable

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, specified_rules, validate
from graphql.validation import ASTValidationRule, NoSchemaIntrospectionCustomRule

from db.cache.lru_cache import LruCache
from gateway.compat import MaybeNullValidationRule, OneOfInputValidationRule
from gateway.documents.document import Document, DocumentRefused
from gateway.masking import PARSING

MAX_CACHED_CHARACTERS = 300_000
"""Characters of all cached documents. A syntax tree takes 90 bytes per character (a feed query) to 280 (a list of names
of one letter): 26 MB as a rule, 83 MB under attack. Documents of clients have 1,000 to 3,000 characters."""

MAX_DOCUMENT_CHARACTERS = 30_000
"""Characters of the longest cached document; GraphiQL's introspection has 1,900."""

MAX_ERRORS = 20
"""Errors after which validation stops."""

MAX_SEEN_HASHES = 4_096
"""Number of stored hashes of texts, by which a second arrival is recognized."""


class DocumentCache:
    """Parses and validates documents against one schema.

    Without `introspection`, documents may not query the schema, and errors suggest no names.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool = True,
        max_characters: int = MAX_CACHED_CHARACTERS,
        parse: Callable[[str], DocumentNode] = parse,
    ) -> None:
        self._schema = schema
        self._parse = parse
        self.allows_introspection = introspection
        self._rules: list[type[ASTValidationRule]] = [
            *specified_rules,
            MaybeNullValidationRule,
            OneOfInputValidationRule,
            *([] if introspection else [NoSchemaIntrospectionCustomRule]),
        ]
        self._documents: LruCache[str, Document] = LruCache(max_characters)
        self._seen_hashes: OrderedDict[int, None] = OrderedDict()

    def read(self, text: str) -> Document:
        """Parse a document, or return the cached one. Raises `DocumentRefused` for wrong syntax."""
        cached = self._documents.get(text)
        if cached is not None:
            return cached
        try:
            return Document(text, self._parse(text))
        except GraphQLError as error:
            raise DocumentRefused([error], PARSING) from None

    def validate(self, document: Document) -> None:
        """Validate a document. Raises `DocumentRefused` with at most `MAX_ERRORS` errors."""
        if document.is_valid:
            return
        errors = validate(
            self._schema,
            document.node,
            self._rules,
            hide_suggestions=not self.allows_introspection,
            max_errors=MAX_ERRORS,
        )
        if errors:
            raise DocumentRefused(errors)
        document.is_valid = True
        if len(document.text) <= MAX_DOCUMENT_CHARACTERS and self._has_seen(document.text):
            self._documents.put(document.text, document, len(document.text))
            document.is_cached = True

    def _has_seen(self, text: str) -> bool:
        key = hash(text)
        if key in self._seen_hashes:
            return True
        self._seen_hashes[key] = None
        if len(self._seen_hashes) > MAX_SEEN_HASHES:
            self._seen_hashes.popitem(last=False)
        return False
