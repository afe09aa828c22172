"""Faults of the double that a test can set."""

from dataclasses import dataclass, field

import grpc


@dataclass(slots=True)
class Faults:
    """The faults in effect; the defaults are those of a healthy server.

    Attributes
    ----------
    rest_status, rest_body
        Answer each REST request with this status and text.
    grpc_status, grpc_details
        Answer each gRPC call with this status and text.
    delay_s
        Wait so long before each gRPC answer.
    refused_objects
        Refuse these uuids in a batch, each with its text.
    garbled_explanations
        Write explanations of a hybrid search in another form.
    version
        The server's version that `/v1/meta` tells.
    """

    rest_status: int | None = None
    rest_body: str = ""
    grpc_status: grpc.StatusCode | None = None
    grpc_details: str = "fault"
    delay_s: float = 0.0
    refused_objects: dict[str, str] = field(default_factory=dict)
    garbled_explanations: bool = False
    version: str = "1.38.2"
