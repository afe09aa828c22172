"""Built pages (the explore page and GraphiQL), held in memory and sent compressed under a strict content policy.

The builds of the npm packages in `frontend/` are read once at the start, and a request is a lookup in a dictionary.
Therefore no path of a request can leave the folder, and a new build that is still being written is not served.
The pages are at `/` and `/graphql`. They name scripts and the endpoint by relative URLs, so they work under any path
prefix, and the files of both builds are at the root.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.json_responses import not_found
from gateway.path_prefix import public_path

FRONTEND = Path(__file__).parents[1] / "frontend"
"""The npm packages and their builds: at the same place in a checkout, in the image and in a wheel."""

_OWN_ORIGIN_ONLY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'"
_NOT_EMBEDDED = "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

PAGE_POLICY = f"{_OWN_ORIGIN_ONLY}; font-src 'self'; img-src 'self' https: data:; {_NOT_EMBEDDED}"
"""Content policy of the explore page. Images may come from any https address, because projects name them by URL."""

GRAPHIQL_POLICY = f"{_OWN_ORIGIN_ONLY}; font-src 'self' data:; img-src 'self' data:; {_NOT_EMBEDDED}"
"""Content policy of GraphiQL, whose style sheet contains its icons and the font of its editor as data URLs."""

_IMMUTABLE = "public, max-age=31536000, immutable"
"""`Cache-Control` of a file whose name contains the hash of its content (RFC 8246)."""
_REVALIDATE = "no-cache"

_CODINGS = {".br": "br", ".gz": "gzip"}
"""Suffix and content coding of the copies that `frontend/compress.mjs` writes beside each file, the smallest first."""

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
"""Media types by suffix. Python's `mimetypes` is not used: its answers depend on the machine."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a build."""

    bodies: Mapping[str, bytes]  # the content by content coding, always with "identity"
    headers: Mapping[str, str]  # headers of every response with this file

    def answer(self, request: Request) -> Response:
        """Return the file in the smallest coding that the client accepts, or 304 if the client has it."""
        tag = self.headers["ETag"]
        if has_tag(request, tag):
            return Response(status_code=304, headers=self.headers)
        accepted = _accepted_codings(request.headers)
        coding = next((name for name in ("br", "gzip") if name in accepted and name in self.bodies), "identity")
        encoded = {} if coding == "identity" else {"Content-Encoding": coding}
        return Response(self.bodies[coding], headers={**self.headers, **encoded})

    def for_prefix(self, scope: Scope) -> "Asset":
        """Return a page that names the base of its URLs: a browser may open a prefix without the slash at its end."""
        root = public_path(scope, "/")
        if root == "/":
            return self
        body = self.bodies["identity"].replace(b"<head>", f'<head><base href="{root}">'.encode(), 1)
        policy = self.headers["Content-Security-Policy"].replace("base-uri 'none'", "base-uri 'self'")
        return Asset({"identity": body}, {**self.headers, "ETag": _tag(body), "Content-Security-Policy": policy})


Build = Mapping[str, Asset]
"""The files of a build by path; empty if the package is not built."""


def read_explore_page(frontend: Path = FRONTEND) -> Build:
    """Read the build of the explore page."""
    return _read_build(frontend / "dist", PAGE_POLICY)


def read_graphiql(frontend: Path = FRONTEND) -> Build:
    """Read the build of GraphiQL."""
    return _read_build(frontend / "graphiql" / "dist", GRAPHIQL_POLICY)


class StaticFiles:
    """The ASGI application for all other paths: the explore page, its files and GraphiQL's.

    The page has one path, `/`; its state is in the query string, as in `/?tab=trending`.
    """

    def __init__(self, explore_page: Build, graphiql: Build) -> None:
        self._assets = {path: asset for path, asset in {**graphiql, **explore_page}.items() if path != "/index.html"}
        self._index = explore_page.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the handshake of a WebSocket with 404.

        Raises `HTTPException`: 404 for an unknown path, 405 for other methods than GET and HEAD.
        """
        if scope["type"] == "websocket":
            await not_found(public_path(scope, "/graphql"))(scope, receive, send)
            return
        request = Request(scope, receive)
        asset = self._index if scope["path"] == "/" else self._assets.get(scope["path"])
        if asset is None:
            raise HTTPException(404)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if asset is self._index:
            asset = asset.for_prefix(scope)
        await asset.answer(request)(scope, receive, send)


class GraphiqlOrEndpoint:
    """The ASGI application behind `/graphql`: GraphiQL for a browser that opens it, else the endpoint."""

    def __init__(self, endpoint: ASGIApp, graphiql: Build) -> None:
        self._endpoint = endpoint
        self._page = graphiql.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _wants_graphiql(request := Request(scope, receive)):
            page = self._page.for_prefix(scope).answer(request) if self._page else _not_built()
            page.headers["Vary"] = "Accept, Accept-Encoding"
            await page(scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)


def has_tag(request: Request, tag: str) -> bool:
    """Return whether the client has the body with this entity tag (weak comparison of RFC 9110, section 8.8.3.2)."""
    tags = _comma_separated(request.headers.get("if-none-match", ""))
    return tags == ["*"] or tag.removeprefix("W/") in (entry.removeprefix("W/") for entry in tags)


def accepts_html(request: Request) -> bool:
    """Return whether a browser has opened the address: programs do not accept `text/html`."""
    return "text/html" in request.headers.get("accept", "")


def _wants_graphiql(request: Request) -> bool:
    """Return whether to show GraphiQL: the request opens the address in a browser and holds no operation."""
    has_operation = not request.query_params.keys().isdisjoint({"query", "extensions", "documentId"})
    return request.method in ("GET", "HEAD") and accepts_html(request) and not has_operation


def _not_built() -> Response:
    text = (
        "<!doctype html><html lang=en><title>GraphiQL is not built</title><h1>GraphiQL is not built</h1>"
        "<p>Install Node.js 20.19 or newer and npm, run <code>make pages</code>, and restart the gateway. "
        "The endpoint itself is at this address: POST a query to it.</p></html>"
    )
    return HTMLResponse(text, 404, {"Cache-Control": "no-store"})


def _read_build(folder: Path, policy: str) -> dict[str, Asset]:
    if not (folder / "index.html").is_file():
        return {}
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix not in _CODINGS]
    visible = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    return {f"/{path.as_posix()}": _asset(folder / path, folder, policy) for path in visible}


def _asset(path: Path, folder: Path, policy: str) -> Asset:
    body = path.read_bytes()
    compressed = {coding: path.with_name(path.name + suffix) for suffix, coding in _CODINGS.items()}
    bodies = {coding: file.read_bytes() for coding, file in compressed.items() if file.is_file()}
    is_hashed = path.relative_to(folder).parts[0] == "assets"  # Vite adds the hash to these names
    headers = {
        "Content-Type": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        "Cache-Control": _IMMUTABLE if is_hashed else _REVALIDATE,
        # Weak: all codings have the same tag.
        "ETag": _tag(body),
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if path.suffix == ".html":
        headers["Content-Security-Policy"] = policy
    return Asset({"identity": body, **bodies}, headers)


def _tag(body: bytes) -> str:
    return f'W/"{sha256(body).hexdigest()[:32]}"'


def _comma_separated(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]


def _accepted_codings(headers: Headers) -> set[str]:
    """Return the codings of Accept-Encoding whose weight is not 0 (RFC 9110, section 12.5.3)."""
    accepted = set()
    for part in _comma_separated(headers.get("accept-encoding", "").lower()):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(coding.strip())
    return accepted
