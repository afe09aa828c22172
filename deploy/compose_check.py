"""Check of docker-compose.yml on a real container engine: `make compose-check`.

The check builds and starts the stack as a separate Compose project, loads the demo data, queries a feed with
explanations and a search, stops and starts each store, and removes everything at the end. It reads no .env file:
secrets are random, and images come from the variables of docker-compose.yml (POSTGRES_IMAGE and others). Needs Python
and Docker Compose 2.

Exit codes: 0 passed, 1 failed, 3 skipped because there is no engine, or an image is neither present nor can be pulled.
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
PULL_WITHIN_S, BUILD_WITHIN_S, HEALTHY_WITHIN_S = 600, 3600, 300
COMMAND_WITHIN_S, TURN_WITHIN_S, ANSWER_WITHIN_S = 180, 90, 30
LEFT_OUT = 3
STARTED = time.monotonic()

STORES = {"redis": ("cache", "CACHE"), "weaviate": ("vectors", "VECTORS"), "postgres": ("database", "DATABASE")}
"""By service: the name of the store in /readyz, and in the `degraded` of a feed."""

FEED = """{ forYou(first: 10) { strategy degraded edges { score node { title }
  explanation { summary contributions { contribution } } } } }"""
SEARCH = """query ($text: String!) { search(query: $text, first: 5) { strategy degraded edges { node { title }
  explanation { contributions { signal { name } contribution } } } } }"""
POPULAR = "{ popular(first: 5) { degraded edges { node { title } } } }"


class CheckFailed(Exception):
    """A check failed; the message says which."""


class Stack:
    """The services of docker-compose.yml, in a Compose project of this process."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self._command = ["docker", "compose", "--project-name", f"explore-check-{os.getpid()}"]
        self._command += ["--project-directory", str(ROOT), "--env-file", os.devnull]
        names = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "WEAVIATE_API_KEY", "TOKEN_SECRET")
        self._environment = {**os.environ, **{name: secrets.token_hex(24) for name in names}}
        self._environment |= {"EXPLORE_PORT": str(port), "WORKERS": "2"}
        self.weaviate_key = self._environment["WEAVIATE_API_KEY"]

    def compose(self, *arguments: str, within_s: float = COMMAND_WITHIN_S) -> str:
        """Run a command of Compose and return its standard output."""
        done = run([*self._command, *arguments], within_s, self._environment)
        if done.returncode:
            raise CheckFailed(f"docker compose {' '.join(arguments)}: {done.stderr[-2000:]}{done.stdout[-500:]}")
        return done.stdout

    def inside(self, service: str, *command: str) -> str:
        """Run a command in the container of a service."""
        return self.compose("exec", "-T", service, *command).strip()

    def get(self, path: str) -> tuple[int, Any]:
        """Send a request to the gateway; return the status and the JSON body."""
        return answer_of(Request(f"{self.address}{path}"))

    def ask(self, query: str, token: str, **variables: str) -> Any:
        """Send a GraphQL query to the gateway; return its data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        _, answer = answer_of(Request(f"{self.address}/graphql", body, headers))
        if "errors" in answer:
            raise CheckFailed(f"the gateway answered {answer}")
        return answer["data"]

    def base_images(self) -> list[str]:
        """Return the names of the images that must be present before anything is built or started."""
        services = json.loads(self.compose("config", "--format", "json"))["services"].values()
        stores = [service["image"] for service in services if "image" in service]
        defaults = re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        needed = [(name, tag) for name, tag in defaults if name != "NODE_IMAGE" or os.environ.get("PAGES") != "no"]
        return stores + [os.environ.get(name) or tag for name, tag in needed]


def run(
    command: list[str], within_s: float, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and wait for its end."""
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"{' '.join(command)} took more than {within_s} s") from None


def answer_of(request: Request) -> tuple[int, Any]:
    """Send an HTTP request; return the status and the JSON body."""
    try:
        with urlopen(request, timeout=ANSWER_WITHIN_S) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def tell(text: str) -> None:
    """Print a line with the seconds since the start."""
    sys.stdout.write(f"{time.monotonic() - STARTED:6.1f} s  {text}\n")
    sys.stdout.flush()


def leave_out(reason: str) -> NoReturn:
    """End the check as skipped."""
    sys.stderr.write(f"compose-check was left out: {reason}\n")
    sys.exit(LEFT_OUT)


def require(condition: object, text: str) -> None:
    """Raise `CheckFailed` with the text unless the condition is true."""
    if not condition:
        raise CheckFailed(text)


def wait_until(text: str, condition: Callable[[], bool]) -> None:
    """Evaluate the condition once a second until it is true. An exception counts as false."""
    deadline, last = time.monotonic() + TURN_WITHIN_S, ""
    while time.monotonic() < deadline:
        try:
            if condition():
                tell(text)
                return
        except (CheckFailed, OSError, ValueError) as error:
            last = str(error)
        time.sleep(1)
    raise CheckFailed(f"not within {TURN_WITHIN_S} s: {text} {last}")


def require_engine() -> None:
    """Skip the check unless a container engine with Compose 2 answers."""
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            done = run(command, COMMAND_WITHIN_S)
        except FileNotFoundError:
            leave_out("there is no command docker")
        if done.returncode:
            leave_out(f"{' '.join(command)} says: {last_line(done.stderr)}")


def require_image(name: str) -> None:
    """Skip the check unless an image is present or can be pulled."""
    if run(["docker", "image", "inspect", name], COMMAND_WITHIN_S).returncode:
        tell(f"pulling {name}")
        pulled = run(["docker", "pull", "--quiet", name], PULL_WITHIN_S)
        if pulled.returncode:
            leave_out(f"the image {name} is not here and cannot be pulled: {last_line(pulled.stderr)}")


def last_line(text: str) -> str:
    """Return the last line of a command's output."""
    return (text.strip().splitlines() or ["nothing"])[-1]


def check_start(stack: Stack) -> None:
    """Build the images and start every service with two workers."""
    stack.compose("build", within_s=BUILD_WITHIN_S)
    tell("built")
    began = time.monotonic()
    stack.compose("up", "--detach", "--wait", "--wait-timeout", str(HEALTHY_WITHIN_S), within_s=HEALTHY_WITHIN_S + 30)
    tell(f"all five services are healthy, {time.monotonic() - began:.1f} s after their start")
    processes = stack.inside("gateway", "sh", "-c", "grep -l spawn_mai[n] /proc/[0-9]*/cmdline | wc -l")
    require(processes == "2", f"the gateway has {processes} worker processes, not 2")


def check_protection(stack: Stack) -> None:
    """Check the permissions and the isolation of the containers."""
    script = 'stat -c %a "$VAR_DIR"; id -u; touch /opt/venv/written 2>/dev/null && echo writable || echo read-only'
    found = stack.inside("gateway", "sh", "-c", script).split()
    require(found == ["700", "10001", "read-only"], f"mode of VAR_DIR, user and root file system are {found}")
    said = stack.compose("exec", "-T", "--env", "REDISCLI_AUTH=", "redis", "redis-cli", "ping")
    require("NOAUTH" in said, f"without a password Redis says {said!r}")
    tell("the gateway runs read-only and without privileges, and Redis asks for its password")


def check_answers(stack: Stack) -> str:
    """Load the demo data, and query a feed with explanations and a search. Return a token for the next checks."""
    stack.inside("gateway", "explore", "demo")
    tell("the demo data is loaded")
    token = stack.inside("gateway", "explore", "token", "heavy")
    feed = stack.ask(FEED, token)["forYou"]
    require(
        feed["strategy"] == "PERSONALIZED" and not feed["degraded"] and len(feed["edges"]) == 10, f"the feed is {feed}"
    )
    for edge in feed["edges"]:
        total = sum(part["contribution"] for part in edge["explanation"]["contributions"])
        require(abs(total - edge["score"]) < 1e-5, f"{total} is not the score of {edge}")
    first = feed["edges"][0]
    tell(f"For You: {first['node']['title']!r}, {first['score']}: {first['explanation']['summary']}")
    # Similarities to a query can only come from the vector store, and WEAVIATE_URL is the only one configured.
    found = stack.ask(SEARCH, token, text="songs made by a machine")["search"]
    parts = found["edges"][0]["explanation"]["contributions"] if found["edges"] else []
    similar = any(part["signal"]["name"] == "query_similarity" and part["contribution"] > 0 for part in parts)
    require(found["strategy"] == "HYBRID" and not found["degraded"] and similar, f"the search gave {found}")
    key = f"Authorization: Bearer {stack.weaviate_key}"
    objects = stack.inside(
        "weaviate", "wget", "-q", "-O", "-", "--header", key, "http://127.0.0.1:8080/v1/objects?limit=1"
    )
    require(json.loads(objects)["objects"], "Weaviate holds no objects")
    tell(f"search on Weaviate: {found['edges'][0]['node']['title']!r}")
    return token


def check_outage(stack: Stack, service: str, token: str) -> None:
    """Stop a store, check that feeds report it as degraded, start it, and check that the gateway recovers."""
    ready_name, store = STORES[service]

    def degraded() -> list[str]:
        if store == "DATABASE":  # shared feeds are served as last seen
            return list(stack.ask(POPULAR, token)["popular"]["degraded"])
        # A new text for each query, because a stored ranking is served without a call to the store.
        found = stack.ask(SEARCH, token, text=f"songs {secrets.token_hex(4)}")["search"]
        return list(found["degraded"])

    def is_flagged() -> bool:
        status, ready = stack.get("/readyz")
        return status == (503 if store == "DATABASE" else 200) and ready["stores"][ready_name] != "ok"

    stack.compose("stop", service)
    tell(f"{service} is stopped")
    wait_until(f"/readyz names the {ready_name}", is_flagged)
    wait_until(f"feeds are there and say that they do without {store}", lambda: store in degraded())
    stack.compose("start", service)
    wait_until(
        f"{service} is back and nothing is degraded",
        lambda: not degraded() and stack.get("/readyz")[1]["status"] == "ok",
    )


def main() -> None:
    """Run every step, and remove the stack at the end, also after a failure."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    require_engine()
    stack = Stack()
    for image in stack.base_images():
        require_image(image)
    try:
        check_start(stack)
        check_protection(stack)
        token = check_answers(stack)
        for service in STORES:
            stack.ask(POPULAR, token)
            check_outage(stack, service, token)
        stack.compose("up", "--detach", "--wait", "--no-recreate", "--wait-timeout", str(HEALTHY_WITHIN_S))
        tell("all five services are healthy again")
    except CheckFailed:
        sys.stderr.write(stack.compose("logs", "--no-color", "--tail", "40"))
        raise
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "20")
        tell("everything is removed")


if __name__ == "__main__":
    try:
        main()
    except CheckFailed as error:
        sys.exit(f"compose-check failed: {error}")
