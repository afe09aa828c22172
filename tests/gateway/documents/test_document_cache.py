import pytest
import strawberry

from gateway.documents import document_cache
from gateway.documents.document import DocumentRefused
from gateway.documents.document_cache import DocumentCache


@strawberry.type
class Query:
    name: str = "a"


GRAPH = strawberry.Schema(Query)._schema


@pytest.fixture
def fresh() -> DocumentCache:
    return DocumentCache(GRAPH)


def serve(document_cache, text):
    document = document_cache.read(text)
    document_cache.validate(document)
    return document


def test_a_document_is_parsed_and_validated_once_from_its_second_coming_on(fresh):
    first, second, third = (serve(fresh, "{ name }") for _ in range(3))
    assert first is not second
    assert second is third
    assert third.is_valid


def test_a_document_that_is_wrong_is_not_kept(fresh):
    for _ in range(3):
        with pytest.raises(DocumentRefused, match="Cannot query field 'nam'"):
            serve(fresh, "{ nam }")
    assert not fresh.read("{ nam }").is_valid


def test_a_flood_of_documents_displaces_none_that_is_in_use():
    fresh = DocumentCache(GRAPH, max_characters=100)
    for _ in range(2):
        kept = serve(fresh, "{ name }")
    for number in range(50):
        serve(fresh, f"query Made{number} {{ name }}")
    assert fresh.read("{ name }") is kept


def test_what_is_kept_has_a_bound_and_the_oldest_goes_first():
    fresh = DocumentCache(GRAPH, max_characters=100)
    texts = [f"{{ name }}{' ' * 30}#{number}" for number in range(3)]
    kept = [serve(fresh, text) for text in texts for _ in range(2)][1::2]
    assert fresh.read(texts[0]) is not kept[0]
    assert [fresh.read(text) for text in texts[1:]] == kept[1:]


def test_two_requests_at_once_with_one_document_count_it_once():
    fresh = DocumentCache(GRAPH, max_characters=20)
    serve(fresh, "{ name }")
    for document in [fresh.read("{ name }") for _ in range(5)]:
        fresh.validate(document)
    assert fresh.read("{ name }").is_valid


def test_a_giant_is_not_kept(fresh):
    giant = "{ name }" + " " * document_cache.MAX_DOCUMENT_CHARACTERS
    assert serve(fresh, giant) is not serve(fresh, giant)
    assert serve(fresh, giant) is not fresh.read(giant)


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Query") { name } }',
        "{ ... { __schema { types { name } } } }",
    ],
)
def test_introspection_can_be_closed(query):
    with pytest.raises(DocumentRefused, match="introspection"):
        serve(DocumentCache(GRAPH, introspection=False), query)
    assert serve(DocumentCache(GRAPH), query).is_valid


def test_a_name_of_a_type_is_told_even_then():
    assert serve(DocumentCache(GRAPH, introspection=False), "{ __typename }").is_valid


def test_a_closed_schema_suggests_nothing():
    with pytest.raises(DocumentRefused) as refused:
        serve(DocumentCache(GRAPH, introspection=False), "{ nome }")
    assert "name" not in refused.value.errors[0].message
    with pytest.raises(DocumentRefused, match="Did you mean 'name'"):
        serve(DocumentCache(GRAPH), "{ nome }")
