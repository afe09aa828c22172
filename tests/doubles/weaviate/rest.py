"""The REST side: readiness, the schema, aliases and single objects."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import numpy as np

from tests.doubles.weaviate.faults import Faults
from tests.doubles.weaviate.state import Json, Refused, State, StoredObject, canonical

Answer = tuple[int, Any]
NODE_FIELDS = ("bootstrapped", "candidates", "dbLoaded", "isVoter", "leaderAddress", "leaderId", "open", "ready")
RAFT_FIELDS = (
    "appliedIndex", "commitIndex", "fsmPending", "lastContact", "lastLogIndex", "lastLogTerm", "lastSnapshotIndex",
    "lastSnapshotTerm", "latestConfigurationIndex", "numPeers", "protocolVersion", "protocolVersionMax",
    "protocolVersionMin", "snapshotVersionMax", "snapshotVersionMin", "state",
)  # fmt: skip
OPEN = (["v1", ".well-known", "ready"], ["v1", ".well-known", "live"], ["v1", ".well-known", "openid-configuration"])


class Rest:
    """Answers (method, path, body) with (status, body); `route` names what follows `/v1/`."""

    def __init__(self, state: State, faults: Faults, api_key: str | None) -> None:
        self._state = state
        self.faults = faults
        self._api_key = api_key
        self._routes: dict[str, Callable[[str, list[str], dict[str, str], Json], Answer]] = {
            ".well-known": self._well_known,
            "meta": lambda *_: (200, {"hostname": "http://[::]:8080", "modules": {}, "version": faults.version}),
            "nodes": self._nodes,
            "cluster": self._cluster,
            "schema": self._schema,
            "aliases": self._aliases,
            "objects": self._objects,
        }

    def answer(self, method: str, target: str, authorization: str | None, body: Json) -> Answer:
        """Answer one request."""
        if self.faults.rest_status is not None:
            return self.faults.rest_status, self.faults.rest_body
        parts = urlsplit(target)
        path = [one for one in parts.path.split("/") if one]
        if path not in OPEN and self._api_key is not None and authorization != f"Bearer {self._api_key}":
            return 401, _error("anonymous access not enabled, please provide an auth scheme")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if len(path) < 2 or path[0] != "v1" or path[1] not in self._routes:
            return 404, _error("path was not found")
        try:
            with self._state.lock:
                return self._routes[path[1]](method, path[2:], query, body)
        except Refused as refused:
            return refused.status, _error(str(refused))

    def _well_known(self, _method: str, path: list[str], _query: dict[str, str], _body: Json) -> Answer:
        if path == ["openid-configuration"]:
            return 404, None
        return (503 if path == ["ready"] and self.faults.not_ready else 200), None

    def _nodes(self, *_: Any) -> Answer:
        count = sum(len(one.objects) for one in self._state.collections.values())
        node = {"name": "node1", "status": "HEALTHY", "version": self.faults.version, "gitHash": "0"}
        return 200, {"nodes": [node | {"stats": {"objectCount": count, "shardCount": 1}, "shards": None}]}

    def _cluster(self, *_: Any) -> Answer:
        if self.faults.cluster_status is not None:
            return self.faults.cluster_status, _error("not allowed")
        raft = dict.fromkeys(RAFT_FIELDS, "0") | {"latestConfiguration": [], "term": str(self._state.starts + 1)}
        node = {"name": "node1", "raft": raft, "initialLastAppliedIndex": 8} | dict.fromkeys(NODE_FIELDS, True)
        absent = [{"name": name, "status": "TIMEOUT"} for name in self.faults.absent_nodes]
        return 200, {"statistics": [node | {"status": "HEALTHY"}, *absent], "synchronized": not absent}

    def _schema(self, method: str, path: list[str], _query: dict[str, str], body: Json) -> Answer:
        match method, path:
            case "GET", []:
                answer: Any = {"classes": [one.config for one in self._state.collections.values()]}
            case "POST", []:
                answer = self._state.create(body)
            case "GET", [name]:
                answer = self._state.find(name).config
            case "PUT", [name]:
                answer = self._state.describe(name, body["description"])
            case "DELETE", [name]:
                answer = self._state.drop(name)
            case "POST", [name, "properties"]:
                answer = self._state.add_property(name, body)
            case "GET" | "PUT", [name, "shards", *_]:
                answer = self._shards(method, name, body)
            case _:
                return 405, _error("method not allowed")
        return 200, answer

    def _shards(self, method: str, name: str, body: Json) -> Any:
        collection = self._state.find(name)
        if method == "PUT":
            collection.status = body["status"]
            return body
        return [{"name": "1fwp5EeotN4X", "status": collection.status, "vectorQueueSize": 0}]

    def _aliases(self, method: str, path: list[str], query: dict[str, str], body: Json) -> Answer:
        aliases = self._state.aliases
        match method, path:
            case "GET", []:
                wanted = query.get("class")
                pairs = [(alias, real) for alias, real in aliases.items() if wanted in (None, real)]
                return 200, {"aliases": [{"alias": alias, "class": real} for alias, real in pairs]}
            case "POST", []:
                self._state.point(body["alias"], body["class"], new=True)
                return 200, body
            case "GET", [alias] if alias in aliases:
                return 200, {"alias": alias, "class": aliases[alias]}
            case "PUT", [alias]:
                self._state.point(alias, body["class"], new=False)
                return 200, {"alias": alias, "class": body["class"]}
            case "DELETE", [alias]:
                return (204, None) if aliases.pop(alias, None) else (404, _error(f"alias {alias} not found"))
        return 404, _error("alias not found")

    def _objects(self, method: str, path: list[str], _query: dict[str, str], body: Json) -> Answer:
        match method, path:
            case "POST", []:
                return self._insert(body)
            case "PUT" | "PATCH", [name, uuid]:
                return self._write(method, name, canonical(uuid), body)
            case "GET" | "HEAD" | "DELETE", [name, uuid]:
                collection = self._state.find(name)
                found = collection.objects.get(canonical(uuid))
                if found is None:
                    return 404, None
                if method == "DELETE":
                    if collection.read_only_error:
                        raise Refused(collection.read_only_error, 500)
                    del collection.objects[found.uuid]
                return (200, _object(collection.name, found)) if method == "GET" else (204, None)
        return 405, _error("method not allowed")

    def _insert(self, body: Json) -> Answer:
        collection = self._state.find(body["class"])
        uuid = canonical(body.get("id") or str(uuid4()))
        if uuid in collection.objects:
            raise Refused(f"id '{uuid}' already exists")
        collection.put(uuid, body.get("properties") or {}, _vectors(body))
        return 200, _object(collection.name, collection.objects[uuid])

    def _write(self, method: str, name: str, uuid: str, body: Json) -> Answer:
        collection = self._state.find(name)
        older = collection.objects.get(uuid)
        if older is None:
            return 404, None
        properties, vectors = body.get("properties") or {}, _vectors(body)
        if method == "PATCH":
            properties, vectors = older.properties | properties, older.vectors | vectors
        collection.put(uuid, properties, vectors)
        return (200, _object(collection.name, collection.objects[uuid])) if method == "PUT" else (204, None)


class RestHandler(BaseHTTPRequestHandler):
    """Carries `Rest` over HTTP/1.1."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    rest: Rest

    def do_GET(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        status, answer = self.rest.answer(self.command, self.path, self.headers.get("authorization"), body)
        text = answer if isinstance(answer, str) else "" if answer is None else json.dumps(answer)
        content = text.encode() if self.command != "HEAD" else b""
        self.send_response(status)
        self.send_header("content-type", "text/html" if isinstance(answer, str) else "application/json")
        if status != 204:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""


def _error(message: str) -> Json:
    return {"error": [{"message": message}]}


def _vectors(body: Json) -> dict[str, np.ndarray]:
    named = body.get("vectors") or ({"default": body["vector"]} if body.get("vector") else {})
    return {name: np.array(vector, "<f4") for name, vector in named.items()}


def _object(name: str, item: StoredObject) -> Json:
    return {
        "class": name,
        "id": item.uuid,
        "properties": item.properties,
        "vectors": {key: vector.tolist() for key, vector in item.vectors.items()},
        "creationTimeUnix": item.created_ms,
        "lastUpdateTimeUnix": item.updated_ms,
    }
