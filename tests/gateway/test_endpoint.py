import gzip
import json

import pytest

from gateway.settings import Settings

MAX_BODY = 1024 * Settings().max_body_kb
MAX_BODY_OF_SERVICE = 1024 * Settings().max_body_kb_service

JSON = {"Content-Type": "application/json"}
READ = {"X-Explore-Request": "1"}
GRAPHQL = "application/graphql-response+json"


async def ask(client, query, **variables):
    return (await client.post("/graphql", json={"query": query, "variables": variables})).json()


def error_of(answer):
    (error,) = answer["errors"]
    return error


# --- what a request may look like ---------------------------------------------------------------------------------

GARBAGE = {
    "nothing": (b"", 400, "not JSON"),
    "no JSON": (b"query { echo }", 400, "not JSON"),
    "half of JSON": (b'{"query": ', 400, "not JSON"),
    "no UTF-8": (b'{"query": "\xff\xfe"}', 400, "not JSON"),
    "half a character": (b'{"query": "\\ud800"}', 400, "not JSON"),
    "NaN": (b'{"query": "{echo}", "variables": {"a": NaN}}', 400, "not JSON"),
    "nested 50,000 deep": (b'{"query":"{echo}","variables":' + b"[" * 50_000, 400, "not JSON"),
    "null": (b"null", 400, "JSON object"),
    "a number": (b"7", 400, "JSON object"),
    "a string": (b'"{ echo }"', 400, "JSON object"),
    "an empty array": (b"[]", 400, "JSON array"),
    "a batch": (b'[{"query": "{ echo }"}]', 400, "JSON array"),
    "an empty object": (b"{}", 400, "no query"),
    "query is null": (b'{"query": null}', 400, "no query"),
    "query is a number": (b'{"query": 7}', 400, "query must be a string"),
    "query is blank": (b'{"query": "  "}', 400, "no query"),
    "variables are a list": (b'{"query": "{ echo }", "variables": []}', 400, "variables"),
    "variables are text": (b'{"query": "{ echo }", "variables": "{}"}', 400, "variables"),
    "extensions are a number": (b'{"query": "{ echo }", "extensions": 1}', 400, "extensions"),
    "operation name is a list": (b'{"query": "{ echo }", "operationName": ["a"]}', 400, "operationName"),
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_a_body_that_is_no_operation_gets_one_clear_error(client, case):
    body, status, words = GARBAGE[case]
    answer = await client.post("/graphql", content=body, headers=JSON)
    error = error_of(answer.json())
    assert answer.status_code == status
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert words in error["message"]
    assert error["message"].endswith(".")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx"],
)
async def test_another_content_type_is_refused(client, content_type):
    answer = await client.post("/graphql", content=b'{"query": "{ echo }"}', headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert error_of(answer.json())["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_content_type_with_a_charset_is_fine(client):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await client.post("/graphql", content=b'{"query": "{ echo }"}', headers=headers)).json()["data"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_method_is_refused(client, method):
    answer = await client.request(method, "/graphql", json={"query": "{ echo }"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert error_of(answer.json())["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_options_tells_the_methods(client):
    answer = await client.options("/graphql")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"


async def test_a_query_may_come_by_get_and_a_mutation_may_not(client):
    read = await client.get(
        "/graphql", params={"query": "query($t: String!) { echo(text: $t) }", "variables": '{"t": "a"}'}, headers=READ
    )
    written = await client.get("/graphql", params={"query": "mutation { change }"}, headers=READ)
    assert read.json()["data"]["echo"] == "a0"
    assert (written.status_code, written.headers["allow"]) == (405, "POST")
    assert error_of(written.json())["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_head_is_get_without_the_body(client):
    read = await client.get("/graphql", params={"query": "{ echo }"}, headers=READ)
    head = await client.head("/graphql", params={"query": "{ echo }"}, headers=READ)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == read.headers["content-length"]


async def test_a_parameter_that_comes_twice_is_refused(client):
    answer = await client.get("/graphql?query={echo}&query={nothing}", headers=READ)
    assert answer.status_code == 400
    assert "query more than once" in error_of(answer.json())["message"]


async def test_a_compressed_body_is_refused(client):
    headers = {**JSON, "Content-Encoding": "gzip"}
    answer = await client.post("/graphql", content=gzip.compress(b'{"query": "{ echo }"}'), headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")


# --- which operation ----------------------------------------------------------------------------------------------

UNRESOLVED = {
    "only a fragment": ("fragment a on Query { echo }", None, "only fragments"),
    "an unknown name": ("query A { echo }", "B", "It has: A."),
    "a name of none": ("{ echo }", "B", "no operation of the name"),
    "several and no name": ("query A { echo } query B { nothing }", None, "It has: A, B."),
    "several and an empty name": ("query A { echo } query B { nothing }", "", "several operations"),
}


@pytest.mark.parametrize("case", UNRESOLVED)
async def test_an_operation_that_cannot_be_told_is_an_error(client, case):
    query, name, words = UNRESOLVED[case]
    answer = await client.post("/graphql", json={"query": query, "operationName": name})
    error = error_of(answer.json())
    assert (answer.status_code, error["extensions"]["code"]) == (400, "OPERATION_RESOLUTION_FAILURE")
    assert words in error["message"]


async def test_of_several_operations_the_named_one_runs(client):
    document = 'query A { echo(text: "a") } query B { echo(text: "b") }'
    answer = await client.post("/graphql", json={"query": document, "operationName": "B"})
    assert answer.json()["data"] == {"echo": "b0"}


# --- which media type ---------------------------------------------------------------------------------------------

REQUEST_ERRORS = {
    "parse": {"query": "{"},
    "validation": {"query": "{ noSuchField }"},
    "variables": {"query": "query($n: Int!) { echo(number: $n) }"},
}


@pytest.mark.parametrize("case", REQUEST_ERRORS)
@pytest.mark.parametrize(("media", "status"), [(GRAPHQL, 400), ("application/json", 200)])
async def test_an_operation_that_never_ran_has_no_data_and_its_status_is_that_of_the_media_type(
    client, case, media, status
):
    answer = await client.post("/graphql", json=REQUEST_ERRORS[case], headers={"Accept": media})
    assert answer.status_code == status
    assert answer.headers["content-type"].partition(";")[0] == media
    assert "data" not in answer.json()
    assert answer.json()["errors"]


@pytest.mark.parametrize("media", [GRAPHQL, "application/json"])
async def test_a_field_that_fails_leaves_the_status_alone(client, media):
    answer = await client.post("/graphql", json={"query": "{ echo nothing }"}, headers={"Accept": media})
    assert (answer.status_code, answer.json()["data"]) == (200, None)


async def test_a_refusal_has_the_media_type_that_was_asked_for(client):
    answer = await client.post("/graphql", content=b"{", headers={**JSON, "Accept": GRAPHQL})
    assert (answer.status_code, answer.headers["content-type"]) == (400, f"{GRAPHQL}; charset=utf-8")


async def test_who_accepts_no_json_is_told_what_there_is(client):
    answer = await client.post("/graphql", json={"query": "{ echo }"}, headers={"Accept": "text/plain"})
    assert (answer.status_code, error_of(answer.json())["extensions"]["code"]) == (406, "NOT_ACCEPTABLE")


# --- forged requests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_get_that_another_sites_page_could_send_is_refused(client, method):
    answer = await client.request(method, "/graphql", params={"query": "{ echo }"})
    assert answer.status_code == 403
    if method == "GET":
        error = error_of(answer.json())
        assert error["extensions"]["code"] == "PREFLIGHT_REQUIRED"
        assert "X-Explore-Request" in error["message"]


@pytest.mark.parametrize(
    "header",
    [
        {"X-Explore-Request": "1"},
        {"Apollo-Require-Preflight": "true"},
        {"X-Apollo-Operation-Name": "Feed"},
        {"X-Session-Id": "s1.x.y"},
        {"Content-Type": "application/json"},
    ],
    ids=lambda header: next(iter(header)),
)
async def test_a_get_with_a_header_that_forces_a_preflight_passes(client, header):
    answer = await client.get("/graphql", params={"query": "{ echo }"}, headers=header)
    assert answer.json()["data"] == {"echo": "0"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_content_type_that_a_form_can_send_forces_none(client, content_type):
    answer = await client.get("/graphql", params={"query": "{ echo }"}, headers={"Content-Type": content_type})
    assert answer.status_code == 403


async def test_an_empty_header_is_as_good_as_none(client):
    answer = await client.get("/graphql", params={"query": "{ echo }"}, headers={"X-Explore-Request": ""})
    assert answer.status_code == 403


async def test_variables_in_the_address_that_are_no_json_are_refused(client):
    answer = await client.get("/graphql", params={"query": "{ echo }", "variables": "{"}, headers=READ)
    assert answer.status_code == 400
    assert "The parameter variables is not JSON" in error_of(answer.json())["message"]


async def test_a_personal_answer_is_never_cached(client):
    answer = await client.post("/graphql", json={"query": "{ echo }"})
    assert answer.headers["cache-control"] == "no-store"


# --- how large it may be ------------------------------------------------------------------------------------------


def body_of(size):
    frame = len(json.dumps({"query": "{ echo }", "variables": {"x": ""}}))
    return json.dumps({"query": "{ echo }", "variables": {"x": "a" * (size - frame)}}).encode()


async def chunks(body):
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


@pytest.mark.parametrize("send", [lambda body: body, chunks], ids=["announced", "chunked"])
async def test_a_body_may_be_as_large_as_the_limit_and_not_a_byte_more(client, send):
    fits = await client.post("/graphql", content=send(body_of(MAX_BODY)), headers=JSON)
    burst = await client.post("/graphql", content=send(body_of(MAX_BODY + 1)), headers=JSON)
    assert fits.status_code == 200
    assert burst.status_code == 413
    assert error_of(burst.json())["extensions"]["code"] == "BODY_TOO_LARGE"
    assert burst.headers["connection"] == "close"


async def test_a_body_that_says_it_is_too_large_is_refused_unread(client):
    async def unread():
        pytest.fail("the body was read")
        yield b""

    headers = {**JSON, "Content-Length": str(MAX_BODY + 1)}
    assert (await client.post("/graphql", content=unread(), headers=headers)).status_code == 413


@pytest.mark.parametrize("role", ["service", "administrator"])
async def test_the_service_role_may_send_more(client, authority, role):
    headers = {**JSON, "Authorization": f"Bearer {authority.issue('batch', role_of(role))}"}
    fits = await client.post("/graphql", content=body_of(MAX_BODY_OF_SERVICE), headers=headers)
    burst = await client.post("/graphql", content=chunks(body_of(MAX_BODY_OF_SERVICE + 1)), headers=headers)
    assert (fits.status_code, burst.status_code) == (200, 413)


def role_of(name):
    from db.models import Role

    return Role(name)


# --- what of an error a client sees -------------------------------------------------------------------------------


async def test_a_fault_of_ours_is_masked_and_carries_the_request_id(client):
    answer = await client.post("/graphql", json={"query": '{ fails(how: "key") }'})
    error = error_of(answer.json())
    assert answer.status_code == 200
    assert answer.json()["data"] == {"fails": None}
    assert error["path"] == ["fails"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "query", ["{ wrongOutput }", "{ nothing }", '{ fails(how: "no such") }', '{ fails(how: "recursion") }']
)
async def test_what_the_code_got_wrong_is_never_told_in_pythons_words(client, query):
    error = error_of(await ask(client, query))
    assert error["extensions"]["code"] == "INTERNAL"
    assert "request id" in error["message"]


async def test_a_known_error_keeps_its_message_and_its_code(client):
    error = error_of(await ask(client, '{ fails(how: "known") }'))
    assert (error["message"], error["extensions"]) == ("The cursor is malformed.", {"code": "BAD_CURSOR"})


async def test_a_broken_rule_of_the_model_says_where_in_the_input(client):
    error = error_of(await ask(client, '{ fails(how: "record") }'))
    assert error["message"] == "title is too long"
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "input": ["projects", 3, "title"]}


async def test_an_unknown_key_has_a_code_of_its_own(client):
    assert error_of(await ask(client, '{ fails(how: "reference") }'))["extensions"]["code"] == "NOT_FOUND"


async def test_a_store_that_is_away_is_named_without_its_address(client):
    error = error_of(await ask(client, '{ fails(how: "store") }'))
    assert error["extensions"] == {"code": "STORE_UNAVAILABLE", "store": "VECTORS"}
    assert "10.0.0.7" not in error["message"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ echo " * 900, "GRAPHQL_PARSE_FAILED"),
        ("{ " + "echo " * 2_000 + "}", "TOO_MANY_TOKENS"),
        ("{ echo " * 20_000, "DOCUMENT_TOO_LONG"),
        ("{ noSuchField }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ echo(number: 99999999999) }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { echo }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { echo(number: $n) }", "BAD_USER_INPUT"),
        ("query($n: Int) { echo }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_every_error_has_a_code(client, query, code):
    error = error_of(await ask(client, query))
    assert error["extensions"]["code"] == code
    assert error["message"]


# --- what of the schema a client sees -----------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["{ __schema { queryType { name } } }", '{ __type(name: "Query") { name } }'])
async def test_introspection_can_be_switched_off(gateway, query):
    async with gateway(introspection=False) as client:
        error = (await ask(client, query))["errors"][0]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{ ecco }"},
        {"query": '{ echo(tekst: "a") }'},
        {"query": "{ how(mood: GLADD) }"},
        {"query": "query($m: Mood) { how(mood: $m) }", "variables": {"m": "GLADD"}},
    ],
)
@pytest.mark.parametrize("is_open", [True, False])
async def test_names_are_suggested_while_introspection_is_open_and_not_otherwise(gateway, body, is_open):
    async with gateway(introspection=is_open) as client:
        told = (await client.post("/graphql", json=body)).json()
    assert ("Did you mean" in error_of(told)["message"]) is is_open


# --- how it travels -----------------------------------------------------------------------------------------------


async def test_a_large_answer_is_compressed_for_who_takes_it(client):
    body = {"query": "query($t: String!) { echo(text: $t) }", "variables": {"t": "a" * 5_000}}
    taken = await client.post("/graphql", json=body)
    plain = await client.post("/graphql", json=body, headers={"Accept-Encoding": "identity"})
    small = await client.post("/graphql", json={"query": "{ echo }"})
    assert taken.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in taken.headers["vary"]
    assert taken.json()["data"] == plain.json()["data"]
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in small.headers


# --- GraphiQL -----------------------------------------------------------------------------------------------------

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_a_browser_that_brings_a_query_gets_its_answer(client):
    answer = await client.get("/graphql", params={"query": "{ echo }"}, headers={**BROWSER, **READ})
    assert answer.json()["data"]["echo"] == "0"


async def test_a_program_without_a_query_gets_an_error_and_no_page(client):
    answer = await client.get("/graphql", headers={"Accept": "*/*", **READ})
    assert answer.status_code == 400
    assert "no query" in error_of(answer.json())["message"]


async def test_graphiql_can_be_switched_off(gateway):
    async with gateway(graphiql=False) as client:
        answer = await client.get("/graphql", headers={**BROWSER, **READ})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
