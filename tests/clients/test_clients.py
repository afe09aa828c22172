"""The clients that front-end teams use, against a gateway that really runs: Relay, Apollo Client, urql, gql, curl."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse

from db.models import Role
from gateway.documents.trusted_documents import read_manifest
from resolvers.schema_documentation import EXPLORE_PAGE, QUERY_EXAMPLES
from tests.clients.conftest import EXAMPLES, PROGRAMS, Build, Gateway, persisted, relay_compiler, written
from tests.node_packages import NodePackages


def said(node: NodePackages, *command: str, cwd: Path | None = None) -> str:
    """Run a program of Node to its end, and give what it printed."""
    done = node.run(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- compilers -----------------------------------------------------------------------------------------------------


def test_relay_compiler_accepts_connections_refetchable_fragments_and_inputs(relay_page: Path) -> None:
    made = {path.name.removesuffix(".graphql.js") for path in (relay_page / "__generated__").iterdir()}
    assert {"ExplorePageFeedQuery", "ExplorePageSimilarQuery", "ExplorePageToolsQuery"} <= made  # of @refetchable
    assert {"ExplorePage_feed", "ExplorePageReason_reason", "ExplorePageQuestionsMutation"} <= made


def test_relay_compiler_still_refuses_what_is_not_in_the_schema(node: NodePackages, workshop: Build) -> None:
    folder = workshop(PROGRAMS / "relay")
    page = folder / "ExplorePage.js"
    page.write_text(page.read_text().replace("likeCount", "likesCount"))
    with pytest.raises(AssertionError, match="likesCount"):
        relay_compiler(node, folder)


def test_a_misspelt_field_does_not_pass_typescript(node: NodePackages, typed_page: Path) -> None:
    page = typed_page / "feed-page.ts"
    sound = page.read_text()
    try:
        page.write_text(sound.replace("reason.similarity.toFixed", "reason.likeness.toFixed"))
        done = node.run(node.program("tsc"), "--project", ".", "--noEmit", cwd=typed_page)
    finally:
        page.write_text(sound)
    assert done.returncode != 0
    assert "Property 'likeness' does not exist" in done.stdout


def test_the_manifests_of_both_compilers_are_trusted_as_they_are(relay_page: Path, typed_page: Path) -> None:
    for manifest in (relay_page / "manifest.json", persisted(typed_page)):
        trusted = read_manifest(manifest)
        documents = written(manifest)
        assert len(documents) >= 2
        for id_, text in documents.items():
            bare = id_.removeprefix("sha256:")  # graphql-codegen writes it, relay-compiler does not
            assert trusted.text(bare) == text == trusted.text(f"sha256:{bare}")
            parse(text)


# --- running -------------------------------------------------------------------------------------------------------


def test_relay_pages_on_renews_its_records_and_drops_what_was_dismissed(
    node: NodePackages, relay_page: Path, gateway: Gateway
) -> None:
    shown = json.loads(said(node, "run.js", gateway.url, gateway.token("heavy"), cwd=relay_page))
    assert shown["strategy"] == "PERSONALIZED"
    assert shown["ranks"] == list(range(1, 16))
    assert shown["ids"][:5] == shown["first"]
    assert len(set(shown["ids"])) == 15
    assert "StatedInterest" in shown["reasons"]  # (on a busy machine the vectors may miss their deadline)
    like = shown["like"]
    assert (like["errors"], like["before"]["viewerHasLiked"], like["after"]["viewerHasLiked"]) == ([], False, True)
    assert like["after"]["likeCount"] == like["before"]["likeCount"] + 1
    assert like["versions"][1] == like["versions"][0] + 1
    assert len(set(shown["similar"])) == 6
    assert len(set(shown["tools"])) == 10
    assert shown["node"]["__typename"] == "Project"
    assert shown["dismissed"]["left"] == [id_ for id_ in shown["ids"] if id_ != shown["dismissed"]["gone"]]


def test_apollo_client_merges_pages_by_cursor_and_sends_hashes_by_get(node: NodePackages, gateway: Gateway) -> None:
    shown = json.loads(said(node, "clients/apollo.mjs", gateway.url, gateway.token("narrow")))
    assert shown["strategy"] == "PERSONALIZED"
    assert shown["ranks"] == list(range(1, 16))
    assert len(set(shown["ids"])) == 15
    assert shown["cached"] >= 15
    before, after = shown["like"]["before"], shown["like"]["after"]
    assert (shown["like"]["errors"], before["viewerHasLiked"], after["viewerHasLiked"]) == ([], False, True)
    assert after["likeCount"] == before["likeCount"] + 1
    assert shown["like"]["versions"] == [shown["like"]["versions"][0], shown["like"]["versions"][0] + 1]
    assert shown["node"] | {"title": ""} == {"__typename": "Project", "id": shown["ids"][0], "title": ""}
    # The first time the gateway does not know the hash, and is told the text; from then on hashes do.
    first, told, *rest = shown["wire"]
    assert (first["method"], first["text"], told["text"]) == ("GET", False, True)
    assert {(one["method"], one["text"]) for one in rest} >= {("GET", False)}
    assert [(one["method"], one["text"], one["status"]) for one in shown["known"]] == [("GET", False, 200)]
    assert shown["refused"] == [["BAD_CURSOR", ["forYou"]]]
    assert shown["beside"], "the field that failed is null, its neighbour is there"


def test_apollo_client_learns_every_possible_type_from_the_schema(node: NodePackages, gateway: Gateway) -> None:
    query = '{ __type(name: "Reason") { possibleTypes { name } } }'
    answer = httpx.post(gateway.url, json={"query": query}).json()
    assert len(answer["data"]["__type"]["possibleTypes"]) == 9


def test_every_query_of_the_docs_pane_is_answered(gateway: Gateway) -> None:
    # Pasted as they stand: what asks for variables gets the first project of the page that the pane begins with.
    headers = {"Authorization": f"Bearer {gateway.token('heavy')}"}
    with httpx.Client(headers=headers, timeout=30) as client:
        page = client.post(gateway.url, json={"query": EXPLORE_PAGE}).json()
        assert "errors" not in page
        leader = page["data"]["forYou"]["edges"][0]["node"]
        given = {"key": leader["key"], "keys": [leader["key"]], "id": leader["id"], "text": "music", "after": None}
        for name, example in QUERY_EXAMPLES.items():
            answer = client.post(gateway.url, json={"query": example, "variables": given}).json()
            assert "errors" not in answer, answer
            assert answer["data"][name] or name == "deletionReceipt", name


def test_the_typescript_example_shows_two_pages_reasons_and_a_like(
    node: NodePackages, typed_page: Path, gateway: Gateway
) -> None:
    lines = said(node, "main.mjs", gateway.url, gateway.token("owner"), cwd=typed_page).splitlines()
    assert [line.partition(".")[0] for line in lines if line[0].isdigit()] == ["1", "2", "3", "4", "5", "6"]
    assert any(re.search(r"- STATED: .+", line) for line in lines)
    liked = lines[-1]
    assert liked.startswith("liked: ♥ ")
    assert lines[0].partition("(")[0].split("  ")[1] in liked


async def test_the_python_example_walks_searches_and_is_told_what_went_wrong(gateway: Gateway) -> None:
    spec = importlib.util.spec_from_file_location("feed_page", EXAMPLES / "feed_page.py")
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    lines: list[str] = []
    await example.feed_page(gateway.url, gateway.token("quiz"), lines.append)
    assert [line.partition(".")[0] for line in lines if line[0].isdigit()] == ["1", "2", "3", "4", "5", "6"]
    assert any(re.match(r"(HYBRID|KEYWORD): .*'drum'", line) for line in lines)
    assert lines[-1].startswith("BAD_CURSOR at ['forYou']: ")


def test_the_curl_example_is_answered_by_every_way_it_takes(gateway: Gateway) -> None:
    command = ["sh", str(EXAMPLES / "curl.sh"), gateway.url, gateway.token("administrator", Role.ADMINISTRATOR)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    feed, first, again, newest, refused, unknown = answers
    assert len(feed["data"]["forYou"]["edges"]) == 2
    assert [one["data"]["setInterests"]["changed"] for one in (first, again)] == [True, False]  # the session holds
    assert len(newest["data"]["newest"]["edges"]) == 2
    assert refused["errors"][0]["extensions"]["code"] == "FIRST_OUT_OF_RANGE"
    assert unknown["data"]["likeProject"]["userErrors"][0]["code"] == "UNKNOWN_PROJECT"


def test_a_document_that_graphql_codegen_persisted_runs_by_its_hash(typed_page: Path, gateway: Gateway) -> None:
    (id_,) = (id_ for id_, text in written(persisted(typed_page)).items() if "query ExplorePage" in text)
    for named in (id_, id_.removeprefix("sha256:")):
        answer = httpx.post(gateway.url, json={"documentId": named, "variables": {"after": None}}).json()
        assert answer["data"]["forYou"]["strategy"] == "POPULAR"
