"""The double as a server: two ports on this machine, each with threads of its own."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import grpc
from weaviate.proto.v1 import health_weaviate_pb2, weaviate_pb2_grpc

from tests.doubles.weaviate.faults import Faults
from tests.doubles.weaviate.rest import Rest, RestHandler
from tests.doubles.weaviate.service import WeaviateService
from tests.doubles.weaviate.state import State

HOST = "127.0.0.1"
MOST_BYTES = 104_858_000
"""The longest message that a Weaviate server takes, as its client assumes."""


class WeaviateDouble:
    """A server that can be stopped and restarted on its ports with its data.

    Parameters
    ----------
    api_key
        The only key that is let in; None lets everybody in.
    """

    def __init__(self, api_key: str | None = None) -> None:
        self.state = State()
        self.faults = Faults()
        self.service = WeaviateService(self.state, self.faults, api_key)
        self._rest = Rest(self.state, self.faults, api_key)
        self._http: ThreadingHTTPServer | None = None
        self._grpc: grpc.Server | None = None
        self.http_port = self.grpc_port = 0

    @property
    def url(self) -> str:
        """Address of REST."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        """Address of gRPC."""
        return f"http://{HOST}:{self.grpc_port}"

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The gRPC calls so far: (name, consistency level)."""
        return self.service.calls

    def start(self) -> None:
        """Serve, on the previous ports if there are any."""
        self.state.starts += 1
        self.start_rest()
        self.start_grpc()

    def stop(self) -> None:
        """Close both ports; the data stays."""
        self.stop_grpc()
        self.stop_rest()

    def kill(self, lost: int = 3) -> None:
        """Close both ports as `kill -9` does: by vector, the last `lost` objects of each collection are not found."""
        self.stop()
        for collection in self.state.collections.values():
            collection.lose_vectors(lost)

    def start_rest(self) -> None:
        """Open the REST port."""
        handler = type("Handler", (RestHandler,), {"rest": self._rest})
        self._http = ThreadingHTTPServer((HOST, self.http_port), handler)
        self._http.daemon_threads = True
        self.http_port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop_rest(self) -> None:
        """Close the REST port; open connections continue."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def start_grpc(self) -> None:
        """Open the gRPC port."""
        options = [("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 0)]
        self._grpc = grpc.server(ThreadPoolExecutor(8), options=options)
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(self.service, self._grpc)
        check = grpc.unary_unary_rpc_method_handler(
            self.service.health,
            request_deserializer=health_weaviate_pb2.WeaviateHealthCheckRequest.FromString,
            response_serializer=health_weaviate_pb2.WeaviateHealthCheckResponse.SerializeToString,
        )
        health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})
        self._grpc.add_generic_rpc_handlers((health,))
        self.grpc_port = self._grpc.add_insecure_port(f"{HOST}:{self.grpc_port}")
        self._grpc.start()

    def stop_grpc(self) -> None:
        """Close the gRPC port and its connections."""
        if self._grpc is not None:
            self._grpc.stop(grace=None).wait()
            self._grpc = None


@contextmanager
def running_weaviate(api_key: str | None = None) -> Iterator[WeaviateDouble]:
    """Lend a running double on two free ports."""
    double = WeaviateDouble(api_key)
    double.start()
    try:
        yield double
    finally:
        double.stop()
