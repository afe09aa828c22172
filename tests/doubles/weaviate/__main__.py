"""Serve the double by hand, until it is interrupted."""

import signal
import sys

from tests.doubles.weaviate import running_weaviate

with running_weaviate() as double:
    sys.stdout.write(f"WEAVIATE_URL={double.url} WEAVIATE_GRPC_URL={double.grpc_url}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
