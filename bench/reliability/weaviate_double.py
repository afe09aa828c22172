"""Serve the double of Weaviate on two given ports: python -m bench.reliability.weaviate_double REST GRPC."""

import signal
import sys

from tests.doubles.weaviate import WeaviateDouble

double = WeaviateDouble()
double.http_port, double.grpc_port = map(int, sys.argv[1:])
double.start()
signal.sigwait({signal.SIGINT, signal.SIGTERM})
