"""The gRPC side: searches, batches, deletions and counts, on the servicer that the client's package ships."""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from weaviate.proto.v1 import (
    aggregate_pb2,
    base_pb2,
    batch_delete_pb2,
    batch_pb2,
    health_weaviate_pb2,
    properties_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

from tests.doubles.weaviate.faults import Faults
from tests.doubles.weaviate.filters import predicate
from tests.doubles.weaviate.fusion import Leg
from tests.doubles.weaviate.keywords import SearchedProperty, bm25f
from tests.doubles.weaviate.state import Collection, Refused, State, StoredObject, canonical

T = TypeVar("T")

DEFAULT_LIMIT, MOST_RESULTS = 10, 10_000


class Hit:
    """A found object with its metadata."""

    def __init__(self, item: StoredObject, **metadata: Any) -> None:
        self.item = item
        self.metadata = metadata


class WeaviateService(weaviate_pb2_grpc.WeaviateServicer):  # type: ignore[misc]
    """Answers calls from the state; notes each as (name, consistency level) in `calls`."""

    def __init__(self, state: State, faults: Faults, api_key: str | None) -> None:
        self.calls: list[tuple[str, str]] = []
        self._state = state
        self._faults = faults
        self._api_key = api_key

    def Search(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Search, or fetch. The method's name is the wire's."""
        return self._answered(request, context, self._search)

    def BatchObjects(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Write objects, each accepted or rejected separately."""
        return self._answered(request, context, self._batch)

    def BatchDelete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Delete what passes a filter."""
        return self._answered(request, context, self._delete)

    def Aggregate(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Count."""
        return self._answered(request, context, self._aggregate)

    def health(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        """Report the server as serving."""
        serving = health_weaviate_pb2.WeaviateHealthCheckResponse.SERVING
        return health_weaviate_pb2.WeaviateHealthCheckResponse(status=serving)

    def _answered(self, request: Any, context: grpc.ServicerContext, answer: Callable[[Any], T]) -> T:
        level = base_pb2.ConsistencyLevel.Name(getattr(request, "consistency_level", 0))
        self.calls.append((type(request).__name__.removesuffix("Request"), level.removeprefix("CONSISTENCY_LEVEL_")))
        time.sleep(self._faults.delay_s)
        if self._faults.grpc_status is not None:
            context.abort(self._faults.grpc_status, self._faults.grpc_details)
        sent = dict(context.invocation_metadata()).get("authorization")
        if self._api_key is not None and sent != f"Bearer {self._api_key}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized: invalid api key")
        try:
            with self._state.lock:
                return answer(request)
        except Refused as refused:
            context.abort(grpc.StatusCode.UNKNOWN, str(refused))
            raise

    def _search(self, request: Any) -> Any:
        collection = self._state.find(request.collection)
        limit, offset = request.limit or DEFAULT_LIMIT, request.offset
        if limit + offset > MOST_RESULTS:
            raise Refused("query maximum results exceeded")
        _check_cursor(request)
        allowed = _allowed(request, collection)
        hits = self._found(request, collection, allowed)
        reply = search_get_pb2.SearchReply()
        for hit in hits[offset : offset + limit]:
            reply.results.append(_result(hit, request, collection))
        return reply

    def _found(self, request: Any, collection: Collection, allowed: list[StoredObject]) -> list[Hit]:
        if request.HasField("near_vector"):
            leg = _dense(collection, _asked_vector(request.near_vector), allowed)
            return [Hit(collection.objects[uuid], distance=1 - score) for uuid, score in leg]
        if request.HasField("bm25_search"):
            search = request.bm25_search
            sparse = _sparse(collection, search.query, search.properties, allowed)
            return [Hit(collection.objects[uuid], score=score) for uuid, score in sparse]
        if request.after:
            return [Hit(item) for item in allowed if item.uuid > request.after]
        for sort in reversed(request.sort_by):
            name = sort.path[0]
            allowed.sort(key=lambda item: _sorting_value(item, name), reverse=not sort.ascending)
        return [Hit(item) for item in allowed]

    def _batch(self, request: Any) -> Any:
        reply = batch_pb2.BatchObjectsReply()
        for index, item in enumerate(request.objects):
            try:
                self._put(item)
            except Refused as refused:
                reply.errors.append(batch_pb2.BatchObjectsReply.BatchError(index=index, error=str(refused)))
        return reply

    def _put(self, item: Any) -> None:
        uuid = canonical(item.uuid)
        if uuid in self._faults.refused_objects:
            raise Refused(self._faults.refused_objects[uuid])
        properties = _properties(item.properties)
        self._state.find_to_write(item.collection, properties).put(uuid, properties, _vectors(item))

    def _delete(self, request: Any) -> Any:
        collection = self._state.find(request.collection)
        matching = _allowed(request, collection)[:MOST_RESULTS]
        reply = batch_delete_pb2.BatchDeleteReply(matches=len(matching))
        if collection.read_only_error and not request.dry_run:
            if request.verbose:
                raise Refused("batch delete reply: failed to parse hex string to integer")
            reply.failed = 1  # whatever the number is, and without the reason
            return reply
        for item in matching if not request.dry_run else ():
            del collection.objects[item.uuid]
        reply.successful = len(matching)
        for item in matching if request.verbose else ():
            reply.objects.add(uuid=UUID(item.uuid).bytes, successful=True)
        return reply

    def _aggregate(self, request: Any) -> Any:
        try:
            collection = self._state.find(request.collection)
        except Refused as refused:
            raise Refused(f"parse params: {refused}") from None
        reply = aggregate_pb2.AggregateReply()
        reply.single_result.objects_count = len(_allowed(request, collection))
        return reply


def _check_cursor(request: Any) -> None:
    """Refuse what the server does not combine with a cursor."""
    if not request.after:
        return
    others = {"offset": request.offset, "where": request.HasField("filters"), "sort": len(request.sort_by)}
    if refused := ",".join(name for name, value in others.items() if value):
        raise Refused(f"cursor api: invalid 'after' parameter: {refused} cannot be set with after and limit parameters")


def _sorting_value(item: StoredObject, name: str) -> Any:
    """Return the value by which the server sorts: of a text, regardless of case."""
    if name == "_lastUpdateTimeUnix":
        return item.updated_ms
    value = item.properties.get(name, "")
    return value.lower() if isinstance(value, str) else value


def _allowed(request: Any, collection: Collection) -> list[StoredObject]:
    """Return the objects that pass the filter, in the order of writes; without a filter all, ordered by uuid."""
    if not request.HasField("filters"):
        return sorted(collection.objects.values(), key=lambda item: item.uuid)
    return list(filter(predicate(request.filters, collection), collection.objects.values()))


def _dense(collection: Collection, vector: np.ndarray, allowed: list[StoredObject]) -> Leg:
    """Search exactly, by 1 − cosine distance; ties by uuid."""
    known = collection.dimensions.get("default")
    if known is not None and known != len(vector):
        raise Refused(f"vector search: vector lengths don't match: {known} vs {len(vector)}", 500)
    held = [item for item in allowed if "default" in item.vectors and item.indexed]
    if not held:
        return []
    matrix = np.array([_unit(item.vectors["default"]) for item in held])
    distances = np.float32(1) - matrix @ _unit(vector)
    found = [(item.uuid, float(np.float32(1) - distance)) for item, distance in zip(held, distances, strict=True)]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return (vector / length if length > 0 else vector).astype(np.float32)


def _sparse(collection: Collection, query: str, properties: Iterable[str], allowed: list[StoredObject]) -> Leg:
    searched = [SearchedProperty.parse(one) for one in properties] or [
        SearchedProperty(one["name"]) for one in collection.config["properties"] if one["indexSearchable"]
    ]
    for one in searched:
        collection.check_searchable(one.name)
    documents = {uuid: item.properties for uuid, item in collection.objects.items()}
    [tokenization] = {collection.tokenisation_of(one.name) for one in searched}  # the gateway searches one property
    scores = bm25f(documents, query, searched, {item.uuid for item in allowed}, tokenization)
    return sorted(scores.items(), key=lambda pair: (-np.float32(pair[1]), pair[0]))


def _asked_vector(search: Any) -> np.ndarray:
    """Return the vector from any of the fields that versions of the client use."""
    for place in (search.vector_bytes, *(one.vector_bytes for one in search.vectors)):
        if place:
            return np.frombuffer(place, "<f4")
    for target in getattr(search, "vector_for_targets", ()):
        return np.frombuffer(target.vector_bytes or target.vectors[0].vector_bytes, "<f4")
    return _asked_vector(search.near_vector) if hasattr(search, "near_vector") else np.empty(0, "<f4")


def _vectors(item: Any) -> dict[str, np.ndarray]:
    if item.vector_bytes:
        return {"default": np.frombuffer(item.vector_bytes, "<f4")}
    return {one.name: np.frombuffer(one.vector_bytes, "<f4") for one in item.vectors}


def _properties(sent: Any) -> dict[str, Any]:
    values: dict[str, Any] = MessageToDict(sent.non_ref_properties)
    arrays = (sent.int_array_properties, sent.text_array_properties, sent.boolean_array_properties)
    values |= {one.prop_name: list(one.values) for group in arrays for one in group}
    values |= {one.prop_name: np.frombuffer(one.values_bytes, "<f8").tolist() for one in sent.number_array_properties}
    return values | {name: [] for name in sent.empty_list_props}


def _result(hit: Hit, request: Any, collection: Collection) -> Any:
    result = search_get_pb2.SearchResult()
    result.metadata.id = hit.item.uuid
    result.metadata.id_as_bytes = UUID(hit.item.uuid).bytes
    _write_metadata(result.metadata, hit, request.metadata)
    result.properties.target_collection = collection.name
    asked = request.properties
    every = asked.return_all_nonref_properties or not request.HasField("properties")
    names = [one["name"] for one in collection.config["properties"]] if every else asked.non_ref_properties
    for name in names:
        value = hit.item.properties.get(name)
        if value is not None:
            result.properties.non_ref_props.fields[name].CopyFrom(_value(value, collection.type_of(name)))
    return result


def _write_metadata(metadata: Any, hit: Hit, asked: Any) -> None:
    for name in ("distance", "score"):
        if getattr(asked, name) and name in hit.metadata:
            setattr(metadata, name, hit.metadata[name])
            setattr(metadata, f"{name}_present", True)
    if asked.creation_time_unix:
        metadata.creation_time_unix, metadata.creation_time_unix_present = hit.item.created_ms, True
    if asked.last_update_time_unix:
        metadata.last_update_time_unix, metadata.last_update_time_unix_present = hit.item.updated_ms, True
    names = list(hit.item.vectors) if asked.vector else [one for one in asked.vectors if one in hit.item.vectors]
    for name in names:
        metadata.vectors.append(
            base_pb2.Vectors(
                name=name,
                vector_bytes=hit.item.vectors[name].tobytes(),
                type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32,
            )
        )


def _value(value: Any, kind: str) -> Any:
    if isinstance(value, list):
        return properties_pb2.Value(list_value=_list_value(value, kind.removesuffix("[]")))
    field = {"text": "text", "int": "int", "number": "number", "boolean": "bool", "date": "date"}[kind]
    return properties_pb2.Value(**{f"{field}_value": value})


def _list_value(values: list[Any], kind: str) -> Any:
    if kind == "int":
        return properties_pb2.ListValue(int_values=properties_pb2.IntValues(values=np.array(values, "<i8").tobytes()))
    if kind == "number":
        packed = np.array(values, "<f8").tobytes()
        return properties_pb2.ListValue(number_values=properties_pb2.NumberValues(values=packed))
    kinds = {"text": properties_pb2.TextValues, "boolean": properties_pb2.BoolValues, "date": properties_pb2.DateValues}
    field = {"text": "text_values", "boolean": "bool_values", "date": "date_values"}[kind]
    return properties_pb2.ListValue(**{field: kinds[kind](values=values)})
