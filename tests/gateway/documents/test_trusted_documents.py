"""Trusted documents: the manifests of three programs, and a gateway that runs nothing else."""

import json
from hashlib import md5, sha1, sha256

import pytest

from db.models import Role
from gateway.documents.trusted_documents import read_manifest
from gateway.errors import CannotStart

DOCUMENT = 'query Greeting { echo(text: "hello") }'
OTHER = "query Other { echo }"
HELLO = {"echo": "hello0"}


def written(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


MANIFESTS = {
    "graphql-codegen, SHA-1": (
        {sha1(DOCUMENT.encode(), usedforsecurity=False).hexdigest(): DOCUMENT},
        sha1(DOCUMENT.encode(), usedforsecurity=False).hexdigest(),
    ),
    "graphql-codegen, SHA-256 with its name": (
        {"sha256:" + sha256(DOCUMENT.encode()).hexdigest(): DOCUMENT},
        sha256(DOCUMENT.encode()).hexdigest(),
    ),
    "relay-compiler, MD5": (
        {
            md5(DOCUMENT.encode(), usedforsecurity=False).hexdigest(): DOCUMENT,
            md5(OTHER.encode(), usedforsecurity=False).hexdigest(): OTHER,
        },
        md5(DOCUMENT.encode(), usedforsecurity=False).hexdigest(),
    ),
    "Apollo": (
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [{"id": "0123", "name": "Greeting", "type": "query", "body": DOCUMENT}],
        },
        "0123",
    ),
}


@pytest.mark.parametrize("case", MANIFESTS)
async def test_the_documents_of_a_manifest_are_run_by_their_id(gateway, tmp_path, case):
    manifest, document_id = MANIFESTS[case]
    async with gateway(trusted_documents=written(tmp_path / "m.json", manifest)) as client:
        for name in (document_id, f"sha256:{document_id}"):
            answer = await client.post("/graphql", json={"documentId": name})
            assert answer.json()["data"] == HELLO
        apollo = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": document_id}}}
        assert (await client.post("/graphql", json=apollo)).json()["data"] == HELLO
        read = await client.get("/graphql", params={"documentId": document_id}, headers={"X-Explore-Request": "1"})
        assert read.json()["data"] == HELLO


@pytest.fixture
async def closed(gateway, tmp_path):
    """A client of a gateway that runs trusted documents only."""
    path = written(tmp_path / "m.json", {"greeting": DOCUMENT})
    async with gateway(trusted_documents=path, trusted_documents_only=True) as client:
        yield client


@pytest.mark.parametrize("body", [{"documentId": "greeting"}, {"query": DOCUMENT}])
async def test_a_closed_gateway_runs_its_documents_by_id_or_to_the_letter(closed, body):
    assert (await closed.post("/graphql", json=body)).json()["data"] == HELLO


@pytest.mark.parametrize(
    "body",
    [
        {"query": OTHER},
        {"query": DOCUMENT + " "},
        {"documentId": "another"},
        {"query": DOCUMENT + " #", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "greeting"}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER.encode()).hexdigest()}}},
        {
            "query": OTHER,
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER.encode()).hexdigest()}},
        },
    ],
)
async def test_a_closed_gateway_runs_nothing_else_for_viewers(closed, authority, body):
    for headers in ({}, {"Authorization": f"Bearer {authority.issue('ada', Role.VIEWER)}"}):
        answer = await closed.post("/graphql", json=body, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"


@pytest.mark.parametrize("role", [Role.SERVICE, Role.ADMINISTRATOR])
async def test_the_platform_itself_may_run_any_document(closed, authority, role):
    headers = {"Authorization": f"Bearer {authority.issue('platform', role)}"}
    assert (await closed.post("/graphql", json={"query": OTHER}, headers=headers)).json()["data"] == {"echo": "0"}


BROKEN = {
    "not JSON": ("{", "is not JSON"),
    "a list": ([DOCUMENT], "neither an object of documents"),
    "texts that are none": ({"a": {"text": DOCUMENT}}, "neither an object of documents"),
    "empty": ({}, "holds no document"),
    "no document": ({"a": "query {"}, "holds 'a', which is no document"),
    "two of one id": ({"a": DOCUMENT, "sha256:a": OTHER}, "two documents with the id 'sha256:a'"),
    "no id": ({"": DOCUMENT}, "without an id"),
    "another format": ({"format": "other", "version": 1, "operations": []}, "has an unknown format"),
    "a later version": (
        {"format": "apollo-persisted-query-manifest", "version": 2, "operations": []},
        "has an unknown format",
    ),
    "an operation without a body": (
        {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a"}]},
        "without an id or a body",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_manifest_that_cannot_be_used_stops_the_start_with_a_sentence(tmp_path, case):
    data, words = BROKEN[case]
    with pytest.raises(CannotStart) as stopped:
        read_manifest(written(tmp_path / "m.json", data))
    assert stopped.value.message.startswith(f"TRUSTED_DOCUMENTS: {tmp_path / 'm.json'} ")
    assert words in stopped.value.message
    assert stopped.value.exit_code == 2


def test_a_manifest_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(CannotStart, match=r"cannot be read \(no such file"):
        read_manifest(tmp_path / "none.json")


async def test_to_run_nothing_but_a_manifest_takes_a_manifest(gateway):
    with pytest.raises(CannotStart, match="names no manifest"):
        async with gateway(trusted_documents_only=True):
            pass
