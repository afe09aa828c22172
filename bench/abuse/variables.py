# ruff: noqa: E501 (a probe is a line)
"""Variables that change the size of a list unexpectedly, or have the wrong type."""

import json
from urllib.parse import quote

from bench.abuse.documents import PAGE, times, towering
from bench.abuse.probe import GRAPHQL_TYPE, READING, Probe, asking, posting, request

TOWER = towering(7, 2).replace("(first: 7)", "(first: $n)")


def tower(declared: str) -> str:
    """Return nested lists whose size one variable sets."""
    return f"query({declared}) {TOWER}"


KEYS = "query($k: [String!]!) { projects(keys: $k) { key similar(first: 100) { edges { node { key } } } } }"
NUMBER = "query($n: Int) { newest(first: $n) { edges { node { key } } } }"
FILTER = "query($w: ProjectFilter) { newest(first: 1, where: $w) { kind } }"
EVENTS = "mutation($e: [InteractionInput!]!) { recordInteractions(events: $e) { recorded userErrors { code } } }"
ANSWERS = "mutation($a: [OnboardingAnswerInput!]!) { submitOnboarding(answers: $a) { userErrors { code } } }"
INTERESTS = "mutation($i: [InterestInput!]!) { setInterests(interests: $i) { userErrors { code } } }"

NUMBERS: dict[str, object] = {
    "a half": 0.5,
    "text": "100",
    "true": True,
    "a list": [100],
    "an object": {"n": 100},
    "2^31": 2**31,
    "2^53 + 1": 2**53 + 1,
    "2^64": 2**64,
    "a float of 300 digits": 1e300,
}
"""Values that are no Int."""


def by_address(query: str, variables: object) -> str:
    """Return the URL of an operation."""
    return f"/graphql?query={quote(query)}&variables={quote(json.dumps(variables))}"


PROBES: list[Probe] = [
    # values that size lists within lists
    asking("lists by an integral float", tower("$n: Int!"), "TOO_COSTLY", variables={"n": 100.0}),
    posting("lists by 1e2", json.dumps({"query": tower("$n: Int!"), "variables": {"n": 0}}).replace('"n": 0', '"n": 1e2').encode(), "TOO_COSTLY"),
    posting("lists by a float of many zeros", json.dumps({"query": tower("$n: Int!"), "variables": {"n": 0}}).replace('"n": 0', f'"n": 100.{"0" * 5_000}').encode(), "TOO_COSTLY"),
    asking("lists by the default of a variable", tower("$n: Int = 100"), "TOO_COSTLY"),
    asking("lists by the default behind null", tower("$n: Int = 1"), "TOO_COSTLY", variables={"n": None}),
    asking("lists by a variable that replaces a small default", tower("$n: Int = 1"), "TOO_COSTLY", variables={"n": 100.0}),
    asking("lists by two variables", f"query($a: Int!, $b: Int!) {TOWER.replace('$n', '$a', 1).replace('$n', '$b')}", "TOO_COSTLY", variables={"a": 100.0, "b": 100.0}),
    asking("lists by a variable in a fragment", "query($n: Int!) { trending(first: $n) { edges { node { ...f } } } } fragment f on Project { similar(first: $n) { edges { node { similar(first: $n) { kind } } } } }", "TOO_COSTLY", variables={"n": 100.0}),
    request("lists by an integral float in the address", (400,), path=by_address(tower("$n: Int!"), {"n": 100.0}), headers={**READING, **GRAPHQL_TYPE}, code="TOO_COSTLY"),
    asking("100 keys with lists below", KEYS, "TOO_COSTLY", variables={"k": [f"k{at}" for at in range(100)]}),
    asking("10 keys with lists below", KEYS, None, variables={"k": ["a"] * 10}, statuses=(200,)),
    asking("one key for a list of keys", KEYS, None, variables={"k": "a"}, statuses=(200,)),
    asking("keys that are variables", f"query({' '.join(f'$k{at}: String!' for at in range(60))}) {{ projects(keys: [{' '.join(f'$k{at}' for at in range(60))}]) {{ similar(first: 100) {{ kind }} }} }}", "TOO_COSTLY", variables={f"k{at}": "a" for at in range(60)}),
    asking("a page of a float", NUMBER, None, variables={"n": 30.0}, statuses=(200,)),
    asking("a page of 101 by a float", NUMBER, "FIRST_OUT_OF_RANGE", variables={"n": 101.0}, statuses=(200,)),
    asking("a page of minus zero", NUMBER, None, variables={"n": -0.0}, statuses=(200,)),
    asking("a page of null", NUMBER, None, variables={"n": None}, statuses=(200,)),
    asking("days by a float", "query($d: Int) { newest(first: 30) { edges { node { activity(days: $d) } } } }", None, variables={"d": 90.0}, statuses=(200,)),
    asking("days beyond a quarter", "query($d: Int) { newest(first: 1) { edges { node { activity(days: $d) } } } }", "BAD_USER_INPUT", variables={"d": 9_000.0}, statuses=(200,)),
    # values that do not fit
    *(asking(f"a number that is {name}", NUMBER, "BAD_USER_INPUT", variables={"n": value}) for name, value in NUMBERS.items()),
    posting("NaN for a number", json.dumps({"query": NUMBER, "variables": {"n": float("nan")}}).encode(), "BAD_REQUEST"),
    posting("infinity for a number", json.dumps({"query": NUMBER, "variables": {"n": float("inf")}}).encode(), "BAD_REQUEST"),
    posting("a number of 100,000 digits", json.dumps({"query": NUMBER, "variables": {"n": 0}}).replace('"n": 0', '"n": ' + "9" * 100_000).encode(), "BAD_REQUEST"),
    posting("half a character in a variable", b'{"query": "query($k: String!) { project(key: $k) { key } }", "variables": {"k": "\\ud800"}}', "BAD_REQUEST", (200, 400)),
    asking("NUL in a variable", "query($k: String!) { project(key: $k) { key } }", None, variables={"k": "\x00"}, statuses=(200,)),
    asking("a variable that is not declared", "{ newest(first: $n) { kind } }", "GRAPHQL_VALIDATION_FAILED", variables={"n": 1}),
    asking("a variable of a type that is not there", "query($n: Nothing!) { newest(first: $n) { kind } }", "GRAPHQL_VALIDATION_FAILED", variables={"n": 1}),
    asking("a variable of an output type", "query($n: Project!) { newest(first: $n) { kind } }", "GRAPHQL_VALIDATION_FAILED", variables={"n": {}}),
    asking("a variable of another type", "query($n: String!) { newest(first: $n) { kind } }", "GRAPHQL_VALIDATION_FAILED", variables={"n": "100"}),
    asking("a float variable for a number", "query($n: Float!) { newest(first: $n) { kind } }", "GRAPHQL_VALIDATION_FAILED", variables={"n": 100.0}),
    asking("a default that does not fit", 'query($n: Int = "100") { newest(first: $n) { kind } }', "GRAPHQL_VALIDATION_FAILED"),
    asking("a default of 10,000 digits", f"query($n: Int = {'9' * 10_000}) {{ newest(first: $n) {{ kind }} }}", "GRAPHQL_VALIDATION_FAILED"),
    asking("a default of deep lists", f"query($k: [String!] = {'[' * 19}{']' * 19}) {{ projects(keys: $k) {{ key }} }}", "GRAPHQL_VALIDATION_FAILED"),
    asking("a variable declared twice, small and large", "query($n: Int = 1, $n: Int = 100) " + TOWER, "TOO_COSTLY"),
    asking("10,000 variables that nobody declared", "{ __typename }", None, variables={f"v{at}": at for at in range(9_999)}, statuses=(200,)),
    asking("variables with names of 60 KB", "{ __typename }", None, variables={"v" * 60_000: 1}, statuses=(200,)),
    # lists and objects inside objects
    asking("a filter of 5,000 values", FILTER, "BAD_USER_INPUT", variables={"w": {"tools": ["a"] * 5_000}}, statuses=(200,)),
    asking("a filter of one value for a list", FILTER, None, variables={"w": {"tools": "a"}}, statuses=(200,)),
    asking("a filter with fields that are not there", FILTER, "BAD_USER_INPUT", variables={"w": {f"a{at}": 1 for at in range(5_000)}}),
    asking("3,000 events of a kind that is not there", EVENTS, "BAD_USER_INPUT", variables={"e": [{"project": "a", "type": "VIEWW"}] * 3_000}, check=lambda answer: None if len(answer.errors) == 11 else f"{len(answer.errors)} errors"),
    asking("a filter with a name that is nearly there", FILTER, "BAD_USER_INPUT", variables={"w": {"tool" + "s" * 5_000: 1}}),
    asking("a filter of texts of 200 KB", FILTER, None, variables={"w": {"topics": ["a" * 200_000]}}, statuses=(200,), check=lambda _: None),
    asking("500 events", EVENTS, None, variables={"e": [{"project": f"p{at}", "type": "VIEW"} for at in range(500)]}, statuses=(200,)),
    asking("501 events", EVENTS, None, variables={"e": [{"project": "a", "type": "VIEW"}] * 501}, statuses=(200,), check=lambda answer: None if b"TOO_MANY" in answer.body else f"takes them: {answer.body[:200]!r}"),
    asking("2,000 events", EVENTS, None, variables={"e": [{"project": "a", "type": "VIEW"}] * 2_000}, statuses=(200,), check=lambda answer: None if b"TOO_MANY" in answer.body else f"takes them: {answer.body[:200]!r}"),
    asking("one event for a list", EVENTS, None, variables={"e": {"project": "a", "type": "VIEW"}}, statuses=(200,)),
    asking("an event with a rank of 2^31", EVENTS, "BAD_USER_INPUT", variables={"e": [{"project": "a", "type": "VIEW", "rank": 2**31}]}),
    asking("an event at no time", EVENTS, "BAD_USER_INPUT", variables={"e": [{"project": "a", "type": "VIEW", "at": "99999-99-99"}]}),
    asking("an event of a kind that is not there", EVENTS, "BAD_USER_INPUT", variables={"e": [{"project": "a", "type": "VIEWW"}] * 300}, check=lambda answer: None if len(answer.errors) == 51 else f"{len(answer.errors)} errors"),
    asking("50 answers of 150 options", ANSWERS, None, variables={"a": [{"question": f"q{at}", "options": ["a"] * 150} for at in range(50)]}, statuses=(200,)),
    asking("an answer of 9,000 options", ANSWERS, None, variables={"a": [{"question": "q", "options": ["a"] * 9_000}]}, statuses=(200,)),
    asking("an answer with a text of 200 KB", ANSWERS, None, variables={"a": [{"question": "q", "text": "a" * 200_000}]}, statuses=(200,)),
    asking("200 interests", INTERESTS, None, variables={"i": [{"kind": "TOPIC", "key": f"t{at}"} for at in range(200)]}, statuses=(200,), check=lambda _: None),
    asking("3,000 interests", INTERESTS, None, variables={"i": [{"kind": "TOPIC", "key": "t"}] * 3_000}, statuses=(200,), check=lambda answer: None if b"UNAUTHENTICATED" in answer.body or b"TOO_MANY" in answer.body else f"takes them: {answer.body[:200]!r}"),
    asking("a search by a huge alpha", "query($a: Float) { search(query: \"a\", alpha: $a) { kind } }", "BAD_QUERY", variables={"a": 1e300}, statuses=(200,)),
    asking("many variables for one field", f"query({times(200, '$v#: Int')}) {{ newest(first: $v0) {{ {PAGE} }} }}", "GRAPHQL_VALIDATION_FAILED"),
]  # fmt: skip
