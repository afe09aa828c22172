"""A real gateway at log level debug, through requests and failures with marked values: none of them is logged."""

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url as read_url

from db.database.engine import Database
from db.models import Role
from gateway.callers.token_authority import TokenAuthority
from tests.conftest import ENGINES, MakeUrl
from tests.leaks import leaks
from tests.running import address_in, serving
from tests.servers import free_port

MARK = "xyzzy"
"""In every value below: keys, titles, names, words that are searched for, tokens, passwords."""

SECRET = f"{MARK}-secret-of-this-test-long-enough-for-hs256"
STOP_WITHIN_S = 30

WRITES = f"""mutation {{
  upsertUsers(users: [{{ key: "{MARK}-user", username: "{MARK} name", bio: "{MARK} bio",
    interests: [{{ name: "{MARK}-tag", kind: TOPIC }}] }}]) {{ added userErrors {{ message }} }}
  upsertProjects(projects: [
    {{ key: "{MARK}-1", title: "{MARK} title", type: "article", description: "{MARK} text", owner: "{MARK}-user",
       tools: ["{MARK}-tool"], topics: ["{MARK}-topic"] }}
    {{ key: "{MARK}-2", title: "{MARK} hidden", type: "article", private: true }}
    {{ key: "{MARK}-3", title: "{MARK} other", type: "{MARK} wrong", owner: "{MARK}-nobody" }}
  ]) {{ added userErrors {{ message }} }} }}"""
ASKED: list[dict[str, Any]] = [
    {"query": f'{{ search(query: "{MARK} words", first: 5) {{ edges {{ node {{ title }} }} }} }}'},
    {"query": "query ($q: String!) { search(query: $q, alpha: 0) { strategy } }", "variables": {"q": f'{MARK} "*'}},
    {"query": f'{{ tools(search: "{MARK}") {{ edges {{ node {{ key }} }} }} }}'},
    {"query": f'{{ project(key: "{MARK}-1") {{ title similar {{ strategy }} explanation {{ summary }} }} }}'},
    {"query": f'{{ newest(where: {{ topics: ["{MARK}-topic"] }}) {{ edges {{ node {{ key }} }} }} }}'},
    {"query": f'mutation {{ likeProject(key: "{MARK}-1") {{ changed userErrors {{ message }} }} }}'},
    {"query": f'mutation {{ saveProject(key: "{MARK}-1") {{ changed userErrors {{ message }} }} }}'},
    {"query": f'mutation {{ recordInteractions(events: [{{ project: "{MARK}-1", type: VIEW, id: "{MARK}-e" }}])'
     " { recorded } }"},
    {"query": f'mutation {{ mute(kind: TOPIC, key: "{MARK}-topic") {{ changed }} }}'},
    {"query": f'mutation {{ setInterests(interests: [{{ kind: TOPIC, key: "{MARK}-topic" }}]) {{ changed }} }}'},
    {"query": f'mutation {{ answerOnboardingQuestion(answer: {{ question: "{MARK}", text: "{MARK}" }}) {{ saved }} }}'},
    {"query": "mutation { exportMyData { pageInfo { endCursor } } }"},
    {"query": f"{{ {MARK}"},
    {"query": f'{{ node(id: "{MARK}") {{ id }} }}'},
]  # fmt: skip


async def rename(url: str, back: bool) -> None:
    """Give columns another name, so that statements on them fail with all that the driver has to say."""
    database = Database(url)
    async with database.write() as connection:
        for table, column in (("likes", "actor_id"), ("engagement", "actor_id"), ("project_terms", "term_id")):
            old, new = (f"{column}_away", column) if back else (column, f"{column}_away")
            await connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}"))
    await database.close()


async def ask_all(client: httpx.AsyncClient, headers: list[dict[str, str]]) -> list[httpx.Response]:
    return [await client.post("/graphql", json=body, headers=one) for body in ASKED for one in headers]


@pytest.mark.parametrize("engine", ENGINES)
async def test_no_key_title_token_or_password_is_logged_whatever_happens(
    tmp_path: Path, make_url: MakeUrl, engine: str
) -> None:
    authority = TokenAuthority(SECRET.encode(), "explore-gateway", "explore")
    async with make_url(engine) as url:
        secret = {
            "DATABASE_URL": url,
            "TOKEN_SECRET": SECRET,
            "LOG_LEVEL": "debug",
            "METRICS_TOKEN": f"{MARK}-scrape-token",
            "REDIS_URL": f"redis://{MARK}:{MARK}%2Fpw@127.0.0.1:{free_port()}/0?client_name={MARK}",
        }
        if engine == "postgresql":
            with_password = read_url(url).update_query_dict({"password": f"{MARK}-password"})
            secret["DATABASE_URL"] = with_password.render_as_string(hide_password=False)
        with serving(tmp_path, **secret, START_WORKER="on") as (process, welcome):
            service = {"Authorization": f"Bearer {authority.issue(f'{MARK}-service', Role.SERVICE)}"}
            user = {"Authorization": f"Bearer {authority.issue(f'{MARK}-reader')}"}
            async with httpx.AsyncClient(base_url=address_in(welcome), timeout=60) as client:
                written = await client.post("/graphql", json={"query": WRITES}, headers=service)
                assert "data" in written.json(), written.text
                session = {"X-Session-Id": (await client.post("/graphql", json=ASKED[0])).headers["X-Session-Id"]}
                good = await ask_all(client, [user, session, {}])
                await rename(url, back=False)
                bad = await ask_all(client, [user, session])
                await rename(url, back=True)
                await client.get("/metrics", headers={"Authorization": f"Bearer {MARK}"})
                await client.post("/graphql", json=ASKED[0], headers={"Authorization": f"Bearer {MARK}"})
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_WITHIN_S)
    codes = [error["extensions"]["code"] for answer in bad for error in answer.json().get("errors", ())]
    assert codes.count("INTERNAL") >= 5, codes
    assert sum("errors" not in answer.json() for answer in good) >= len(good) // 2
    logged = (tmp_path / "stderr").read_text()
    assert "Traceback" in logged
    assert "SQL parameters hidden" in logged
    assert leaks(logged, [MARK]) == []
