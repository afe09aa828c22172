"""State of the double: collections, aliases and objects, in memory."""

import re
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

Json = dict[str, Any]

NAME = re.compile(r"[A-Z][_0-9A-Za-z]{0,255}")
PROPERTY_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
HNSW = {
    "skip": False, "cleanupIntervalSeconds": 300, "maxConnections": 32, "efConstruction": 128, "ef": -1,
    "dynamicEfMin": 100, "dynamicEfMax": 500, "dynamicEfFactor": 8, "vectorCacheMaxObjects": 1000000000000,
    "flatSearchCutoff": 40000, "distance": "cosine", "filterStrategy": "acorn",
    "skipDefaultQuantization": False, "trackDefaultQuantization": False,
}  # fmt: skip
QUANTIZERS = ("pq", "bq", "sq", "rq")
DEFAULTS = {
    "invertedIndexConfig": {
        "bm25": {"b": 0.75, "k1": 1.2}, "cleanupIntervalSeconds": 60, "usingBlockMaxWAND": True,
        "stopwords": {"additions": None, "preset": "en", "removals": None},
    },
    "multiTenancyConfig": {"autoTenantActivation": False, "autoTenantCreation": False, "enabled": False},
    "shardingConfig": {
        "virtualPerPhysical": 128, "desiredCount": 1, "actualCount": 1, "desiredVirtualCount": 128,
        "actualVirtualCount": 128, "key": "_id", "strategy": "hash", "function": "murmur3",
    },
    "replicationConfig": {"deletionStrategy": "TimeBasedResolution", "factor": 1, "asyncEnabled": False},
}  # fmt: skip
"""Configuration of a collection that a request does not give."""
TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str, "int": int, "number": (int, float), "boolean": bool, "date": str,
}  # fmt: skip


class Refused(Exception):
    """An error response with the server's text."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class StoredObject:
    """One object."""

    uuid: str
    properties: Json
    vectors: dict[str, np.ndarray]
    created_ms: int
    updated_ms: int
    indexed: bool = True  # whether searches by vector find it


@dataclass(slots=True)
class Collection:
    """One collection: its configuration as JSON, and its objects by uuid, in the order of their last writes."""

    config: Json
    objects: dict[str, StoredObject] = field(default_factory=dict)
    dimensions: dict[str, int] = field(default_factory=dict)
    status: str = "READY"  # of its one shard; READONLY refuses writes and removals

    @property
    def name(self) -> str:
        """The collection's own name."""
        return str(self.config["class"])

    @property
    def vector_names(self) -> list[str]:
        """The names of its vectors; an unnamed one is called `default`."""
        return list(self.config.get("vectorConfig") or {"default": {}})

    def _property(self, name: str) -> Json:
        for one in self.config["properties"]:
            if one["name"] == name:
                return dict(one)
        raise Refused(f"no such prop with name '{name}' found in class '{self.name}' in the schema")

    def type_of(self, name: str) -> str:
        """Return a property's data type."""
        return "text" if name in ("_id", "id") else str(self._property(name)["dataType"][0])

    def tokenisation_of(self, name: str) -> str:
        """Return the tokenization of a text property."""
        return str(self._property(name).get("tokenization", "word"))

    def check_filterable(self, name: str) -> None:
        """Reject a filter on a property without its index."""
        if not self._property(name)["indexFilterable"]:
            raise Refused(f"Filtering by property '{name}' requires inverted index. Is `indexFilterable` on?")

    def check_searchable(self, name: str) -> None:
        """Reject a keyword search on a property without its index."""
        if not self._property(name)["indexSearchable"]:
            raise Refused(f"Property '{name}' is not indexed and searchable. Please enable `indexSearchable`.")

    @property
    def read_only_error(self) -> str | None:
        """The server's text if the shard is READONLY, as an operator or a full disk make it."""
        return "store is read-only due to: manually set by user" if self.status == "READONLY" else None

    def put(self, uuid: str, properties: Json, vectors: dict[str, np.ndarray]) -> None:
        """Write a whole object, replacing an older one."""
        if self.read_only_error:
            raise Refused(self.read_only_error)
        checked = {name: self._checked(name, value) for name, value in properties.items() if value is not None}
        for name, vector in vectors.items():
            self._check_vector(name, len(vector))
        now = time.time_ns() // 1_000_000
        older = self.objects.get(uuid)
        has_equal_vectors = older is not None and _are_equal(older.vectors, vectors)
        if older is not None and has_equal_vectors and older.properties == checked:
            return
        # The server indexes a vector only if it has changed.
        indexed = older.indexed if older is not None and has_equal_vectors else True
        self.objects.pop(uuid, None)
        self.objects[uuid] = StoredObject(uuid, checked, vectors, older.created_ms if older else now, now, indexed)

    def lose_vectors(self, count: int) -> None:
        """Forget the vectors of the last `count` objects, as a killed server does; the objects stay."""
        for item in list(self.objects.values())[-count:] if count else ():
            item.indexed = False

    def _check_vector(self, name: str, length: int) -> None:
        if name not in self.vector_names:
            raise Refused(f"collection {self.name} does not have configuration for vector {name}")
        if self.dimensions.setdefault(name, length) != length:
            raise Refused(
                f"new node has a vector with length {length}. "
                f"Existing nodes have vectors with length {self.dimensions[name]}"
            )

    def _checked(self, name: str, value: Any) -> Any:
        kind = self.type_of(name)
        if kind.endswith("[]"):
            if not isinstance(value, list):
                raise Refused(f"invalid {kind} property '{name}' on class '{self.name}': not an array")
            return [self._checked_one(name, kind[:-2], one) for one in value]
        return self._checked_one(name, kind, value)

    def _checked_one(self, name: str, kind: str, value: Any) -> Any:
        if kind == "int" and isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, TYPES[kind]) or (kind in ("int", "number") and isinstance(value, bool)):
            raise Refused(
                f"invalid {kind} property '{name}' on class '{self.name}': not a {kind}, but {type(value).__name__}"
            )
        if kind == "date":
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise Refused(f"invalid date property '{name}' on class '{self.name}': {value}") from None
        return value


class State:
    """All collections and aliases, and settings of the server. Readers and writers hold `lock`.

    `auto_schema` is AUTOSCHEMA_ENABLED and `default_quantization` is DEFAULT_QUANTIZATION (`rq-8`, `bq`, …).
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.starts = 0  # starts of the server, each of which is an election of Raft
        self.collections: dict[str, Collection] = {}
        self.aliases: dict[str, str] = {}
        self.auto_schema = True
        self.default_quantization = ""

    def find(self, name: str) -> Collection:
        """Return a collection by its name or by an alias."""
        real = self.aliases.get(name, name)
        if real not in self.collections:
            raise Refused(f"could not find class {real} in schema", 404)
        return self.collections[real]

    def find_to_write(self, name: str, properties: Json) -> Collection:
        """Return the collection of an object to write; with `auto_schema` make what it lacks from the values."""
        real = self.aliases.get(name, name)
        if real not in self.collections:
            if name in self.aliases:
                raise Refused(f'alias "{name}" points to collection "{real}" which does not exist')
            if not self.auto_schema:
                raise Refused(f"class '{name}' not present in schema")
            self.create({"class": name, "description": "This property was generated by Weaviate's auto-schema feature"})
        collection = self.collections[real]
        if self.auto_schema:
            known = {one["name"] for one in collection.config["properties"]}
            guessed = [{"name": one, "dataType": [_guessed_type(value)]} for one, value in properties.items()]
            collection.config["properties"] += [_full_property(one) for one in guessed if one["name"] not in known]
        return collection

    def create(self, config: Json) -> Json:
        """Make a collection, with the server's defaults filled in."""
        name = config.get("class", "")
        if not NAME.fullmatch(name):
            raise Refused(f"'{name}' is not a valid class name")
        if name in self.collections or name in self.aliases:
            raise Refused(f"{'alias' if name in self.aliases else 'class'} name {name} already exists")
        full = deepcopy(DEFAULTS | config)
        full["properties"] = [_full_property(one) for one in config.get("properties") or []]
        if not full.get("vectorConfig"):
            full |= {"vectorIndexConfig": self._full_index(HNSW), "vectorIndexType": "hnsw", "vectorizer": "none"}
        for one in (full.get("vectorConfig") or {}).values():
            one["vectorIndexConfig"] = self._full_index({**HNSW, **one.get("vectorIndexConfig", {})})
            one.setdefault("vectorIndexType", "hnsw")
        self.collections[name] = Collection(full)
        return full

    def _full_index(self, index: Json) -> Json:
        """Turn on the quantization that is the default of the server, unless the collection says otherwise."""
        kind, _, bits = self.default_quantization.partition("-")
        if not kind or index["skipDefaultQuantization"] or any(index.get(one, {}).get("enabled") for one in QUANTIZERS):
            return index
        chosen = {"enabled": True} | ({"bits": int(bits)} if bits else {})
        return index | {kind: chosen, "trackDefaultQuantization": True}

    def add_property(self, name: str, config: Json) -> Json:
        """Add a property to a collection, which has to be named itself: the server resolves no alias here."""
        if name not in self.collections:
            raise Refused(f'class "{name}": not found')
        collection = self.collections[name]
        full = _full_property(config)
        if any(one["name"] == full["name"] for one in collection.config["properties"]):
            raise Refused(f"class '{name}': conflict for property '{full['name']}': already in use")
        collection.config["properties"].append(full)
        return full

    def describe(self, name: str, description: str) -> Json:
        """Change the description of a collection; no other setting can be changed here."""
        config = self.find(name).config
        config["description"] = description
        return config

    def drop(self, name: str) -> None:
        """Drop a collection. Aliases stay, and then point to nothing."""
        self.collections.pop(name, None)

    def point(self, alias: str, real: str, *, new: bool) -> None:
        """Make an alias, or point one elsewhere: from one request to the next."""
        if not NAME.fullmatch(alias):
            raise Refused(f"'{alias}' is not a valid alias name")
        if not new and alias not in self.aliases:
            raise Refused("", 404)
        if real not in self.collections:
            raise Refused(f'target class "{real}" does not exist')
        if new and alias in self.aliases:
            raise Refused(f"create alias: {alias}, alias already exists")
        if new and alias in self.collections:
            raise Refused(f"create alias: class {alias} already exists", 500)
        self.aliases[alias] = real


def _full_property(config: Json) -> Json:
    if not PROPERTY_NAME.fullmatch(config["name"]) or config["name"] in ("id", "_id", "_additional", "vector"):
        raise Refused(f"'{config['name']}' is not a valid property name")
    kind = config["dataType"][0]
    if kind.removesuffix("[]") not in TYPES:
        raise Refused(f"property '{config['name']}': invalid dataType: {kind}")
    text = kind.startswith("text")
    if config.get("indexSearchable") and not text:
        raise Refused("`indexSearchable` is allowed only for text/text[] data types.")
    full = {"indexFilterable": True, "indexSearchable": text, "indexRangeFilters": False, **config}
    if text:
        full.setdefault("tokenization", "word")
    return full


def _guessed_type(value: Any) -> str:
    """Return the data type that auto-schema guesses from a value. gRPC brings each number outside a list as a float."""
    if isinstance(value, list):
        return f"{_guessed_type(value[0])}[]" if value else "text[]"
    if isinstance(value, str):
        try:
            datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return "text"
        return "date"
    return {bool: "boolean", int: "int", float: "number"}[type(value)]


def _are_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(vector, other[name]) for name, vector in one.items())


def canonical(uuid: str) -> str:
    """Return a uuid in canonical form."""
    return str(UUID(uuid))
