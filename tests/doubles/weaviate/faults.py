"""Faults of the double that a test can set."""

from dataclasses import dataclass, field

import grpc


@dataclass(slots=True)
class Faults:
    """The faults in effect; the defaults are those of a healthy server."""

    rest_status: int | None = None  # answer each REST request with this status and text
    rest_body: str = ""
    grpc_status: grpc.StatusCode | None = None  # answer each gRPC call with this status and text
    grpc_details: str = "fault"
    delay_s: float = 0.0  # wait so long before each gRPC answer
    refused_objects: dict[str, str] = field(default_factory=dict)  # refuse these uuids in a batch, each with its text
    version: str = "1.38.2"  # the server's version that `/v1/meta` tells
    cluster_status: int | None = None  # answer `/v1/cluster/statistics` with this status
    absent_nodes: tuple[str, ...] = ()  # nodes of the cluster that do not answer
    not_ready: bool = False  # answer `/v1/.well-known/ready` with 503, as a server does that starts or stops
