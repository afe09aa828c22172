"""The built pages (the explore page and GraphiQL), held in memory and sent compressed under a strict content policy.

What the npm packages of `frontend/` were built into is read once at the start: a request is a look into a dictionary,
so no path can lead out of the folder, and a build that runs meanwhile cannot be seen half done.
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

FRONTEND = Path(__file__).parents[1] / "frontend"
"""The npm packages and what they are built into: in a checkout, in the image and in a wheel at the same place."""

_GRAPHIQL_AT = "/graphiql/"
"""Where GraphiQL's own scripts and styles lie; its page answers at `/graphql`, beside the endpoint."""

_CLOSED = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'"
_NOWHERE = "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

PAGE_POLICY = f"{_CLOSED}; font-src 'self'; img-src 'self' https: data:; {_NOWHERE}"
"""Pictures may come from elsewhere, for the catalog names them by address; nothing else may."""

GRAPHIQL_POLICY = f"{_CLOSED}; font-src 'self' data:; img-src 'self' data:; {_NOWHERE}"
"""GraphiQL brings its icons and the font of its editor as data addresses inside its style sheet."""

_FOR_EVER = "public, max-age=31536000, immutable"
"""For a file whose name holds the hash of its content: RFC 8246."""
_ASK_AGAIN = "no-cache"

_CODINGS = {".br": "br", ".gz": "gzip"}
"""What `frontend/compress.mjs` leaves beside each file, the smallest first."""

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
"""Our own list: what Python's `mimetypes` says depends on the machine."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a build.

    Attributes
    ----------
    bodies
        Its bytes by content coding; "identity" is always there.
    headers
        What every answer with it carries.
    """

    bodies: Mapping[str, bytes]
    headers: Mapping[str, str]

    def answer(self, request: Request) -> Response:
        """Give the file in the smallest coding that the client takes, or 304 if it has it already."""
        tag = self.headers["ETag"]
        if tag in _listed(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=self.headers)
        taken = _codings_taken(request.headers)
        coding = next((name for name in ("br", "gzip") if name in taken and name in self.bodies), "identity")
        encoded = {} if coding == "identity" else {"Content-Encoding": coding}
        return Response(self.bodies[coding], headers={**self.headers, **encoded})


Build = Mapping[str, Asset]
"""The files of a built package by address; none if it is not built."""


def read_explore_page(frontend: Path = FRONTEND) -> Build:
    """Read what the explore page was built into."""
    return _read(frontend / "dist", "/", PAGE_POLICY)


def read_graphiql(frontend: Path = FRONTEND) -> Build:
    """Read what GraphiQL was built into."""
    return _read(frontend / "graphiql" / "dist", _GRAPHIQL_AT, GRAPHIQL_POLICY)


class StaticFiles:
    """The ASGI application for every address that is no other's: the explore page, its files and GraphiQL's.

    The page has one address, `/`: what it shows is in the query, as in `/?tab=trending`.

    Parameters
    ----------
    explore_page, graphiql
        The two builds, without files where one is not built or switched off.
    """

    def __init__(self, explore_page: Build, graphiql: Build) -> None:
        self._assets = {path: asset for path, asset in {**explore_page, **graphiql}.items() if not _is_index(path)}
        self._index = explore_page.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the handshake of a WebSocket with 404.

        Raises
        ------
        HTTPException
            404 if nothing is there, 405 for anything but GET and HEAD.
        """
        if scope["type"] == "websocket":
            await not_found()(scope, receive, send)
            return
        request = Request(scope, receive)
        asset = self._index if scope["path"] == "/" else self._assets.get(scope["path"])
        if asset is None:
            raise HTTPException(404)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        await asset.answer(request)(scope, receive, send)


class GraphiqlOrEndpoint:
    """The ASGI application behind `/graphql`: GraphiQL for a person who opens it in a browser, else the endpoint.

    Parameters
    ----------
    endpoint
        Who answers GraphQL.
    graphiql
        Its build.
    """

    def __init__(self, endpoint: ASGIApp, graphiql: Build) -> None:
        self._endpoint = endpoint
        self._page = graphiql.get(f"{_GRAPHIQL_AT}index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _wants_graphiql(request := Request(scope, receive)):
            page = self._page.answer(request) if self._page else _not_built()
            page.headers["Vary"] = "Accept, Accept-Encoding"
            await page(scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)


def accepts_html(request: Request) -> bool:
    """Say whether a person has opened the address in a browser: programs do not ask for `text/html`."""
    return "text/html" in request.headers.get("accept", "")


def _wants_graphiql(request: Request) -> bool:
    """Say whether to show GraphiQL; whoever brings an operation in the address wants its answer."""
    asks_something = not request.query_params.keys().isdisjoint({"query", "extensions", "documentId"})
    return request.method in ("GET", "HEAD") and accepts_html(request) and not asks_something


def _not_built() -> Response:
    text = (
        "<!doctype html><html lang=en><title>GraphiQL is not built</title><h1>GraphiQL is not built</h1>"
        "<p>It takes Node.js 20.19 or newer and npm: <code>make pages</code>, then start the gateway again. "
        "The endpoint itself answers at this address: POST a query to it.</p></html>"
    )
    return HTMLResponse(text, 404, {"Cache-Control": "no-store"})


def _is_index(path: str) -> bool:
    return path.endswith("/index.html")


def _read(folder: Path, prefix: str, policy: str) -> dict[str, Asset]:
    if not (folder / "index.html").is_file():
        return {}
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix not in _CODINGS]
    shown = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return {prefix + name.as_posix(): _asset(folder / name, folder, policy) for name in shown}


def _asset(path: Path, folder: Path, policy: str) -> Asset:
    body = path.read_bytes()
    beside = {coding: path.with_name(path.name + ending) for ending, coding in _CODINGS.items()}
    bodies = {coding: file.read_bytes() for coding, file in beside.items() if file.is_file()}
    is_hashed = path.relative_to(folder).parts[0] == "assets"  # Vite writes the hash into these names
    headers = {
        "Content-Type": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        "Cache-Control": _FOR_EVER if is_hashed else _ASK_AGAIN,
        # Weak: the same for all codings.
        "ETag": f'W/"{sha256(body).hexdigest()[:32]}"',
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if path.suffix == ".html":
        headers["Content-Security-Policy"] = policy
    return Asset({"identity": body, **bodies}, headers)


def _listed(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]


def _codings_taken(headers: Headers) -> set[str]:
    """Read Accept-Encoding: the codings whose weight is not 0 (RFC 9110, section 12.5.3)."""
    taken = set()
    for part in _listed(headers.get("accept-encoding", "").lower()):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            taken.add(coding.strip())
    return taken
