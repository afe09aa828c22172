# ruff: noqa: E501 (a probe is a line)
"""Paths that try to leave the folder of the pages, or that are ambiguous."""

from bench.abuse.probe import Answer, Probe, raw, request

SECRETS = (b"root:", b"[project]", b"SQLite format", b"TOKEN_SECRET", b"import ", b"[core]", b"def ")
"""How files begin that are nobody's business."""


def nothing_of_ours(answer: Answer) -> str | None:
    """Check that the response has no file outside of the pages."""
    held = [start for start in SECRETS if answer.body.startswith(start)]
    return f"gives a file: {answer.body[:100]!r}" if held else None


def path(name: str, target: str, statuses: tuple[int, ...] = (404,)) -> Probe:
    """Return a probe of a path that is sent unchanged; a client library would normalize it."""
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode("latin-1")
    return raw(name, statuses, head, check=nothing_of_ours)


TRAVERSALS = {
    "dots": "/../../../../etc/passwd",
    "dots from the assets": "/assets/../../pyproject.toml",
    "encoded dots": "/%2e%2e/%2e%2e/etc/passwd",
    "dots encoded twice": "/%252e%252e/%252e%252e/etc/passwd",
    "encoded slashes": "/..%2f..%2f..%2fetc%2fpasswd",
    "backslashes": "/..\\..\\..\\etc\\passwd",
    "encoded backslashes": "/..%5c..%5cpyproject.toml",
    "overlong dots": "/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "wide dots": "/%ef%bc%8e%ef%bc%8e/etc/passwd",
    "dots with blanks": "/..%20/..%20/etc/passwd",
    "dots with a semicolon": "/..;/..;/etc/passwd",
    "four dots": "/....//....//etc/passwd",
    "a NUL": "/index.html%00.png",
    "a NUL before dots": "/%00/../../etc/passwd",
    "an absolute path": "//etc/passwd",
    "three slashes": "///etc/passwd",
    "a drive": "/C:/Windows/win.ini",
    "a file address": "/file:///etc/passwd",
    "the database": "/explore.sqlite",
    "the folder of the stores": "/var/explore.sqlite",
    "the secret": "/var/token_secret",
    "the repository": "/.git/config",
    "the settings": "/.env",
    "a source file": "/gateway/app.py",
    "a source map": "/assets/index.js.map",
    "a compressed page": "/index.html.br",
    "a hidden file": "/.gitignore",
    "the process": "/proc/self/environ",
}
ODD = {
    "a path of 60,000 letters": ("/" + "a" * 60_000, (404,)),
    "a path of 30,000 slashes": ("/" * 30_000, (200, 404)),
    "a path of encoded letters": ("/" + "%61" * 10_000, (404,)),
    "a path that is not UTF-8": ("/%ff%fe%fd", (404,)),
    "a path with half a code": ("/%", (400, 404)),
    "a path with a line break": ("/a%0d%0aSet-Cookie:%20a=b", (404,)),
    "a path with markup": ("/<script>alert(1)</script>", (400, 404)),
    "a query of 60,000 letters": ("/?" + "a" * 60_000, (200,)),
    "a query of 5,000 parameters": ("/?" + "a=1&" * 5_000, (200,)),
    "a path that is an address": ("http://evil.example/", (200, 400, 404)),
    "a path that is an address of ours": ("http://127.0.0.1/healthz", (200, 400, 404)),
    "a star": ("*", (400, 404)),
}


def unless_page(answer: Answer) -> str | None:
    """Check that the response is not a page: programs must get an error for a missing path."""
    return "is a page" if answer.status == 200 and b"<html" in answer.body else None


PROBES: list[Probe] = [
    *(path(f"{name}: {target[:40]}", target, (400, 404)) for name, target in TRAVERSALS.items()),
    *(path(name, target, statuses) for name, (target, statuses) in ODD.items()),
    request("a path that ends in a slash", (404, 307, 308), path="/graphql/", headers={"Host": "evil.example"}, check=lambda answer: f"leads to {answer.headers['location']}" if "evil" in answer.headers.get("location", "") else None),
    request("a path of two slashes and a host", (400, 404), path="//evil.example/%2f..", check=lambda answer: f"leads to {answer.headers['location']}" if "location" in answer.headers else None),
    request("a POST to a page", (404, 405), method="POST", path="/", body=b"a" * 100_000),
    request("a DELETE of a page", (404, 405), method="DELETE", path="/"),
    request("a PUT of a page", (404, 405), method="PUT", path="/index.html", body=b"a"),
    request("OPTIONS of a page", (200, 204, 404, 405), method="OPTIONS", path="/"),
    request("codings with weights", (200,), path="/", headers={"Accept-Encoding": "br;q=0, gzip;q=0, *;q=0", "Accept": "text/html"}),
    request("5,000 codings", (200,), path="/", headers={"Accept-Encoding": ", ".join(["br"] * 5_000), "Accept": "text/html"}),
    request("a range of a page", (200, 206), path="/", headers={"Range": "bytes=" + ",".join("0-1" for _ in range(1_000)), "Accept": "text/html"}),
    request("an Accept of 30,000 letters", (200,), path="/", headers={"Accept": "text/html," + "a/b," * 7_000}),
    request("a validator of 30,000 letters", (200,), path="/", headers={"If-None-Match": '"a",' * 7_000, "Accept": "text/html"}),
]  # fmt: skip
