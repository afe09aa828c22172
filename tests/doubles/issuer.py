"""An issuer of tokens: signs with real keys, and publishes the public ones over HTTP as identity providers do."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NAME = "https://login.example.com"


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return an RSA key, made once for all tests: it takes up to half a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def published(key: Any, **members: Any) -> dict[str, Any]:
    """Write the public half of a key as a JSON Web Key; a member that is None is left out."""
    algorithm = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    writer = next((one for kind, one in algorithm.items() if isinstance(key, kind)), OKPAlgorithm)
    written = {**writer.to_jwk(key.public_key(), as_dict=True), "use": "sig", **members}
    return {name: value for name, value in written.items() if value is not None and name != "key_ops"}


@dataclass
class IssuerDouble:
    """Its published keys and its responses may be changed at any time."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)  # what it publishes
    asked: int = 0  # how often it was asked
    status: int = 200  # what it answers instead of its keys, if they are set
    body: bytes | None = None
    location: str | None = None
    probe_interval_s: float = 0.0  # how long it thinks before each answer

    def add(self, key: Any, kid: str, **members: Any) -> Any:
        """Publish a key under a name; gives the key."""
        self.keys.append(published(key, kid=kid, **members))
        return key

    def answer(self) -> bytes:
        return self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()


def signed(
    key: Any, algorithm: str, kid: str | None = None, headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    """Sign a token as the issuer does; a claim that is `...` is left out."""
    good = {"sub": "ada", "iss": NAME, "aud": "explore", "exp": int(time.time()) + 600}
    payload = {name: value for name, value in {**good, **claims}.items() if value is not ...}
    named = {"kid": kid} if kid is not None else {}
    return jwt.encode(payload, key, algorithm, {**named, **(headers or {})})


@contextmanager
def running_issuer() -> Iterator[IssuerDouble]:
    """Run one on a port of its own."""
    double = IssuerDouble()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            double.asked += 1
            time.sleep(double.probe_interval_s)
            body = double.answer()
            self.send_response(double.status)
            if double.location is not None:
                self.send_header("Location", double.location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # a client that has hung up is no fault here

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        double.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
        try:
            yield double
        finally:
            server.shutdown()
