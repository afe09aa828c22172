# ruff: noqa: E501 (a probe is a line)
"""Documents that are long, deep, wide, circular or expensive, and bodies that are not documents."""

import gzip
import json

from graphql import get_introspection_query

from bench.abuse.probe import Probe, asking, posting, request
from bench.abuse.tokens import signed


def times(count: int, text: str) -> str:
    """Repeat a text, with # replaced by the number of the repetition."""
    return " ".join(text.replace("#", str(at)) for at in range(count))


def doubling(count: int, leaf: str) -> str:
    """Return fragments that each use the next fragment twice."""
    fragments = times(count, "fragment f# on Query { ...g# ...g# } fragment g# on Query { ...f#+ }")
    for at in range(count, 0, -1):
        fragments = fragments.replace(f"...f{at - 1}+", f"...f{at}")
    return f"{{ ...f0 }} {fragments} fragment f{count} on Query {{ {leaf} }}"


def towering(first: int, levels: int) -> str:
    """Return nested lists of projects."""
    inside = "title"
    for _ in range(levels):
        inside = f"similar(first: {first}) {{ edges {{ node {{ {inside} }} }} }}"
    return f"{{ trending(first: {first}) {{ edges {{ node {{ {inside} }} }} }} }}"


PAGE = "edges { node { key } }"
WIDE_PAGE = "edges { node { key title activity(days: 90) owner { username } tools { name } } }"
INTROSPECTION = get_introspection_query()
ALL_TYPES = "__schema { types { name fields { name args { name } type { name kind ofType { name kind ofType { name } } } } enumValues { name } inputFields { name } } }"
TYPES_OF_TYPES = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"

PROBES: list[Probe] = [
    # bombs of words
    asking("200 KB of tokens", "{ " + "a " * 100_000 + "}", "DOCUMENT_TOO_LONG"),
    asking("30,000 tokens", "{ " + "a " * 30_000 + "}", "TOO_MANY_TOKENS"),
    asking("comments", "{ viewer { __typename } }" + "#\n" * 30_000, "TOO_MANY_TOKENS"),
    asking("blanks", "{ viewer { __typename } }" + " ,\n" * 40_000, "DOCUMENT_TOO_LONG"),
    asking("one word of 60,000 letters", "{ " + "a" * 60_000 + " }", "GRAPHQL_VALIDATION_FAILED"),
    asking("a text of 60,000 escapes", '{ project(key: "' + "\\u0041" * 10_000 + '") { key } }', None, statuses=(200,)),
    asking("a block text", '{ project(key: """' + "\n x" * 20_000 + '""") { key } }', None, statuses=(200,)),
    asking("braces 900 deep", "{ a " * 900, "GRAPHQL_PARSE_FAILED"),
    asking("braces 150 deep", "{ a " * 150 + "}" * 150, "TOO_DEEP"),
    asking("lists 1,900 deep", "{ projects(keys: " + "[" * 950 + "]" * 950 + ") { key } }", "GRAPHQL_PARSE_FAILED"),
    asking("lists 100 deep", "{ projects(keys: " + "[" * 100 + "]" * 100 + ") { key } }", "VALUES_TOO_DEEP"),
    asking("types 900 deep", "query($a: " + "[" * 900 + "Int" + "]" * 900 + ") { viewer { __typename } }", "GRAPHQL_PARSE_FAILED"),
    asking("a type system", "type A { b: Int } " * 250, "OPERATION_RESOLUTION_FAILURE"),
    asking("half a character", '{ project(key: "\\ud800") { key } }', "GRAPHQL_PARSE_FAILED"),
    # bombs of fields
    asking("1,000 aliases", "{ " + times(600, "a#: __typename") + " }", "TOO_MANY_FIELDS"),
    asking("31 aliases", "{ " + times(31, "a#: __typename") + " }", "TOO_MANY_ALIASES"),
    asking("1,900 fields", "{ " + "__typename " * 1_900 + "}", "TOO_MANY_FIELDS"),
    asking("a field 16 times", "{ " + times(16, "newest { kind }") + " }", "TOO_MANY_REPEATS"),
    asking("16 mutations", "mutation { " + times(16, 'a#: likeProject(key: "a") { changed }') + " }", "TOO_MANY_REPEATS"),
    asking("2,000 operations", times(2_000, "{a}"), "TOO_MANY_TOKENS"),
    asking("600 operations", times(600, "{a}"), "OPERATION_RESOLUTION_FAILURE"),
    posting("350 operations, one of them named", json.dumps({"query": times(350, "query Q# {a}"), "operationName": "Q7"}).encode(), "TOO_MANY_OPERATIONS"),
    asking("nested lists", towering(100, 2), "TOO_COSTLY"),
    asking("nested lists in a fragment", "{ trending(first: 100) { edges { node { ...a } } } } fragment a on Project { similar(first: 100) { edges { node { ...b } } } } fragment b on Project { similar(first: 100) { edges { node { key } } } }", "TOO_COSTLY"),
    asking("nested lists by a variable", towering(7, 2).replace("(first: 7)", "(first: $n)").replace("{", "query($n: Int!) {", 1), "TOO_COSTLY", variables={"n": 100}),
    asking("nested lists by a variable that is not sent", towering(7, 2).replace("(first: 7)", "(first: $n)").replace("{", "query($n: Int) {", 1), "TOO_COSTLY"),
    asking("nested lists behind @include", towering(100, 2).replace("similar", "a: similar @include(if: false) { x } similar", 0).replace("title", "title @skip(if: true)"), "TOO_COSTLY"),
    asking("every feed at once", "{ " + times(15, "a#: forYou(first: 100) { " + WIDE_PAGE + " }") + " }", "TOO_COSTLY"),
    asking("15 searches", "{ " + times(15, 'a#: search(query: "a#", first: 100) { ' + WIDE_PAGE + " }") + " }", "TOO_COSTLY"),
    asking("what would remove a whole page", "{ forYou(first: 30) { edges { explanation { whatWouldRemoveIt { text } } } } }", "TOO_COSTLY"),
    asking("15 times why not", "{ " + times(15, 'a#: whyNot(key: "a#") { __typename }') + times(14, ' b#: similarTo(key: "a") { x }') + " " + times(15, 'c#: forYou { kind }') + " }", "TOO_MANY_ALIASES"),
    # what is expensive and allowed: its price says so
    asking("For You, 30 with explanations", "{ forYou(first: 30) { edges { rank score node { key title owner { username } tools { name } } explanation { summary contributions { signal { label } value contribution } adjustments { rule } reasons { text } } } } }", None, statuses=(200,), headers=signed()),
    asking("four pages of 100", "{ newest(first: 100) { ...p } popular(first: 100) { ...p } trending(first: 100) { ...p } forYou(first: 100) { ...p } } fragment p on FeedConnection { edges { node { key title owner { username } tools { name } } } }", None, statuses=(200,)),
    asking("a search for 100", 'query { search(query: "music that plays by itself", first: 100) { edges { node { key title } } } }', None, statuses=(200,)),
    asking("what is similar to what is similar", "{ newest(first: 3) { edges { node { similar(first: 3) { edges { node { similar(first: 3) { edges { node { key } } } } } } } } } }", None, statuses=(200,)),
    asking("GraphiQL's introspection", INTROSPECTION, None, statuses=(200,)),
    # fragments
    asking("fragments that double", doubling(18, "__typename"), "TOO_MANY_FIELDS"),
    asking("fragments that double and hold nothing", doubling(60, "...nobody"), "TOO_MANY_FRAGMENTS"),
    asking("fragments that nobody uses", "{ __typename } " + doubling(18, "__typename").replace("{ ...f0 }", "", 1), "TOO_MANY_FIELDS"),
    asking("a fragment in itself", "{ ...a } fragment a on Query { ...a }", "FRAGMENT_CYCLE"),
    asking("fragments in a circle", "{ ...f0 } " + times(100, "fragment f# on Query { ...g# } fragment g# on Query { ...f#x }").replace("x }", " }"), "FRAGMENT_CYCLE"),
    asking("a circle of fragments on interfaces", "{ node(id: 1) { ...a } } fragment a on Node { ... on Project { ...b } } fragment b on Node { ... on User { ...a } }", "FRAGMENT_CYCLE"),
    asking("inline fragments", "{ " + "... on Query { " * 100 + "__typename" + " }" * 101, None, statuses=(200,)),
    asking("500 fragments", "{ __typename } " + times(250, "fragment f# on Query { __typename }"), "TOO_MANY_FRAGMENTS"),
    asking("a spread 250 times", "{ " + "...f " * 250 + "} fragment f on Query { __typename }", "TOO_MANY_FRAGMENTS"),
    asking("a chain of 180 fragments", "{ newest { edges { node { ...f0 } } } }" + "".join(f"fragment f{at} on Project {{ key ...f{at + 1} }}" for at in range(180)) + "fragment f180 on Project { key }", "TOO_MANY_FRAGMENTS"),
    asking("a chain of 55 fragments, 20 times", times(20, "query Q# { newest { edges { node { ...f0 } } } }") + "".join(f"fragment f{at} on Project {{ key ...f{at + 1} }}" for at in range(55)) + "fragment f55 on Project { key }", "OPERATION_RESOLUTION_FAILURE"),
    # fields to be merged
    asking("the same field 390 times", "{ newest { edges { node { " + "title " * 390 + "} } } }", "TOO_MANY_MERGES"),
    asking("the same object 130 times", "{ newest { edges { node { " + "owner { username key } " * 130 + "} } } }", "TOO_MANY_MERGES"),
    asking("one field with 190 arguments", "{ viewer { " + times(190, "interests(a: #) { key }") + " } }", "TOO_MANY_MERGES"),
    asking("15 objects of 25 fields", "{ newest { edges { node { " + ("owner { " + times(5, "id key username bio tier") + " } ") * 15 + "} } } }", "TOO_MANY_MERGES"),
    asking("70 objects", "{ newest { edges { node { " + "owner { key } " * 69 + "} } } }", None, statuses=(200,)),
    # directives, arguments, variables
    asking("a flood of @include", "{ __typename " + "@include(if: true) " * 200 + "}", "TOO_MANY_DIRECTIVES"),
    asking("a flood of directives that are not there", "query " + "@a " * 500 + "{ __typename }", "TOO_MANY_DIRECTIVES"),
    asking("directives on variables", "query($a: Int " + "@a " * 300 + ") { __typename }", "TOO_MANY_DIRECTIVES"),
    asking("400 variables", "query(" + times(480, "$a#: Int") + ") { __typename }", "GRAPHQL_VALIDATION_FAILED"),
    asking("a variable 400 times", "query(" + "$a: Int " * 480 + ") { __typename }", "GRAPHQL_VALIDATION_FAILED"),
    asking("an argument 400 times", "{ newest(" + "first: 1 " * 480 + ") { kind } }", "GRAPHQL_VALIDATION_FAILED"),
    asking("an object with 400 fields", "{ newest(where: {" + times(480, "a#: 1") + "}) { kind } }", "TOO_MANY_VALUES"),
    asking("a field twice, unlike", "{ " + times(190, "newest(first: #) { kind }") + " }", "TOO_MANY_REPEATS"),
    asking("fields that may not merge", "{ viewer { " + times(25, "a: mutes { x# }") + " } }", "GRAPHQL_VALIDATION_FAILED"),
    asking("a number of 10,000 digits", "{ newest(first: " + "9" * 10_000 + ") { kind } }", "GRAPHQL_VALIDATION_FAILED"),
    asking("a number of 10,000 digits for a time", "{ newest(where: {createdAfter: " + "9" * 10_000 + "}) { kind } }", "GRAPHQL_VALIDATION_FAILED"),
    asking("a huge float", '{ search(query: "a", alpha: 1e99999) { kind } }', "BAD_QUERY", statuses=(200,)),
    asking("a page of 101", "{ newest(first: 101) { kind } }", "FIRST_OUT_OF_RANGE", statuses=(200,)),
    asking("a page of minus one", "{ newest(first: -1) { kind } }", "FIRST_OUT_OF_RANGE", statuses=(200,)),
    asking("10,000 keys", "query($k: [String!]!) { projects(keys: $k) { key } }", "TOO_MANY_VALUES", variables={"k": ["a"] * 10_000}),
    asking("9,000 keys", "query($k: [String!]!) { projects(keys: $k) { key } }", "BAD_USER_INPUT", variables={"k": ["a"] * 9_000}, statuses=(200,)),
    asking("9,000 keys that are no texts", "query($k: [String!]!) { projects(keys: $k) { key } }", "BAD_USER_INPUT", variables={"k": [1] * 9_000}),
    asking("9,000 values of a filter", "query($t: [String!]) { newest(where: {tools: $t}) { kind } }", "BAD_USER_INPUT", variables={"t": ["a"] * 9_000}, statuses=(200,)),
    asking("9,000 fields that no event has", "mutation($e: [InteractionInput!]!) { recordInteractions(events: $e) { recorded } }", "BAD_USER_INPUT", variables={"e": [{f"a{at}": at for at in range(9_000)}]}),
    asking("a search of 200,000 letters", "query($q: String!) { search(query: $q) { kind } }", "BAD_QUERY", variables={"q": "a" * 200_000}, statuses=(200,)),
    asking("a search of ligatures", "query($q: String!) { search(query: $q) { kind } }", None, variables={"q": "\ufdfa" * 200}, statuses=(200,)),
    asking("a search of accents", "query($q: String!) { search(query: $q) { kind } }", None, variables={"q": "a" + "\u0301" * 400}, statuses=(200,)),
    asking("a forged cursor", '{ newest(after: "' + "A" * 5_000 + '") { kind } }', "BAD_CURSOR", statuses=(200,)),
    asking("a cursor of another kind", '{ newest(after: "eyJhIjogMX0=") { kind } }', "BAD_CURSOR", statuses=(200,)),
    asking("a forged id", '{ node(id: "' + "UHJvamVjdDo" * 1_000 + '") { id } }', "BAD_ID", statuses=(200,)),
    # introspection
    asking("introspection that goes round", TYPES_OF_TYPES, "TOO_DEEP"),
    asking("introspection that goes round, in fragments", "{ __schema { types { ...t } } } fragment t on __Type { fields { type { ...u } } } fragment u on __Type { fields { type { name } } }", "TOO_DEEP"),
    asking("introspection 20 deep", "{ __type(name: \"Query\") { " + "ofType { " * 20 + "name" + " }" * 22, "TOO_DEEP"),
    asking("introspection fifteen times", "{ " + times(15, "a#: " + ALL_TYPES) + " }", "TOO_COSTLY"),
    # JSON
    posting("JSON nested 50,000 deep", b'{"query": "{a}", "variables": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}", "BAD_REQUEST"),
    asking("JSON nested 500 deep", "{ __typename }", "VALUES_TOO_DEEP", variables={"a": json.loads("[" * 500 + "]" * 500)}),
    asking("60,000 values", "{ __typename }", "TOO_MANY_VALUES", variables={"a": [[]] * 60_000}),
    posting("a body of 5 MB", b'{"query": "' + b"a" * 5_000_000 + b'"}', "BODY_TOO_LARGE", (413,)),
    posting("a batch", json.dumps([{"query": "{ __typename }"}] * 1_000).encode(), "BAD_REQUEST"),
    posting("a compressed bomb", gzip.compress(b"a" * 10_000_000), "UNSUPPORTED_MEDIA_TYPE", (415,), {"Content-Encoding": "gzip"}),
    posting("a body that says nothing", b"\x00" * 200_000, "BAD_REQUEST"),
    posting("another encoding", '{"query": "{ __typename }"}'.encode("utf-16"), "BAD_REQUEST"),
    posting("a form", b"query=" + b"a" * 100_000, "UNSUPPORTED_MEDIA_TYPE", (415,), {"Content-Type": "application/x-www-form-urlencoded"}),
    posting("an upload", b"--x\r\n" * 10_000, "UNSUPPORTED_MEDIA_TYPE", (415,), {"Content-Type": "multipart/form-data; boundary=x"}),
    # HTTP
    request("an address of 60,000 letters", (403,), path="/graphql?query=" + "a" * 60_000, code="PREFLIGHT_REQUIRED"),
    request("a header of 200,000 letters", (431,), headers={"X-A": "a" * 200_000}),
    request("2,000 headers", (431,), headers={f"X-{at}": "a" * 40 for at in range(2_000)}),
    posting("a token of 50,000 letters", b"{}", "UNAUTHENTICATED", (401,), {"Authorization": "Bearer " + "a" * 50_000}),
    posting("a token without a signature", b"{}", "UNAUTHENTICATED", (401,), {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."}),
    posting("a thousand proxies", b'{"query": "{ __typename }"}', None, (200,), {"X-Forwarded-For": "1.1.1.1, " * 1_000 + "1.1.1.1"}),
]  # fmt: skip
