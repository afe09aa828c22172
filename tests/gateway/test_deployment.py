"""The shape of docker-compose.yml and the Dockerfile, without a container engine; `make compose-check` runs them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.settings import Settings

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\{(\w+)(:?[?-])?([^}]*)\}")
SECRETS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "TOKEN_SECRET", "WEAVIATE_API_KEY")
STORES = ("postgres", "weaviate", "redis")
SET_BY_THE_IMAGE = {"HOST", "PORT", "VAR_DIR"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_only_services_that_something_uses_are_started(compose):
    assert set(compose["services"]) == {"gateway", "worker", "postgres", "weaviate", "redis"}


def test_every_service_has_a_health_check_and_starts_again(compose):
    for service in compose["services"].values():
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


def test_the_gateway_waits_for_healthy_stores_and_the_worker_for_the_gateway_that_migrates(compose):
    stores = {name: {"condition": "service_healthy"} for name in ("postgres", "weaviate", "redis")}
    assert compose["services"]["gateway"]["depends_on"] == stores
    assert compose["services"]["worker"]["depends_on"] == stores | {"gateway": {"condition": "service_healthy"}}


def test_weaviate_lets_in_nobody_without_the_key_that_the_gateway_has(compose):
    weaviate = compose["services"]["weaviate"]["environment"]
    assert weaviate["AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED"] == "false"
    key = compose["services"]["gateway"]["environment"]["WEAVIATE_API_KEY"]
    assert weaviate["AUTHENTICATION_APIKEY_ALLOWED_KEYS"] == key


def test_redis_lets_in_nobody_without_the_password_that_the_gateway_has(compose):
    redis = compose["services"]["redis"]
    password = redis["command"][redis["command"].index("--requirepass") + 1]
    assert f"redis://:{password}@redis:6379/0" == compose["services"]["gateway"]["environment"]["REDIS_URL"]
    assert redis["environment"]["REDISCLI_AUTH"] == password
    assert "-e" in redis["healthcheck"]["test"]  # else redis-cli ends with 0 although the server refuses


def test_weaviate_makes_no_collection_of_its_own_and_calls_nobody(compose):
    weaviate = compose["services"]["weaviate"]["environment"]
    assert weaviate["AUTOSCHEMA_ENABLED"] == "false"
    assert weaviate["DISABLE_GRAPHQL"] == weaviate["DISABLE_TELEMETRY"] == "true"


def test_postgresql_is_healthy_only_when_it_answers_over_tcp(compose):
    """The server that only initializes the data directory listens on the socket alone."""
    assert "--host=127.0.0.1" in compose["services"]["postgres"]["healthcheck"]["test"][1]


def test_named_volumes_are_declared_and_used(compose):
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def _values(node):
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _values(child)
    else:
        yield str(node)


def test_no_secret_is_in_the_file_and_a_missing_one_is_named(compose):
    named = set()
    for value in _values(compose):
        for name, operator, message in VARIABLE.findall(value):
            if name in SECRETS:
                assert operator == ":?"
                assert name in message
                named.add(name)
    assert named == set(SECRETS)


def test_each_setting_reaches_the_gateway_and_the_worker_and_no_other_name_does(compose):
    """A new setting belongs in docker-compose.yml, under `x-passed`."""
    settings = {name.upper() for name in Settings.model_fields}
    for service in ("gateway", "worker"):
        environment = compose["services"][service]["environment"]
        assert set(environment) == settings - SET_BY_THE_IMAGE
        passed = [name for name, value in environment.items() if value is None]  # Compose passes these on
        assert "TRUSTED_PROXIES" in passed
        for name, value in environment.items():
            variables = {variable[0] for variable in VARIABLE.findall(value or "")}
            assert variables <= {name, *SECRETS}


def test_each_image_can_be_pinned_by_digest(compose):
    for name in STORES:
        (found,) = VARIABLE.findall(compose["services"][name]["image"])
        assert found[:2] == (f"{name.upper()}_IMAGE", ":-")
        assert re.fullmatch(r"[a-z/]+:[\w.-]+", found[2])
    arguments = set(compose["services"]["gateway"]["build"]["args"])
    assert arguments == set(re.findall(r"^ARG (\w+)=", (ROOT / "Dockerfile").read_text(), re.MULTILINE))


def test_only_the_gateway_publishes_a_port_and_on_this_machine_only(compose):
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert list(ports) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in ports["gateway"])
    assert all("network_mode" not in service for service in compose["services"].values())


def test_no_service_can_gain_privileges_and_ours_cannot_write_to_the_image(compose):
    for service in compose["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]
    for name in ("gateway", "worker", "redis"):
        assert compose["services"][name]["read_only"] is True
        assert compose["services"][name]["cap_drop"] == ["ALL"]


def test_the_image_installs_by_hash_and_runs_as_nobody_special():
    text = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes" in text
    assert text.count("npm ci") == text.count("npm run build") == 2
    assert "npm install" not in text
    last_stage = text.rpartition("\nFROM ")[2]
    assert last_stage.index("\nUSER explore") < last_stage.index("\nENTRYPOINT")
    assert "install -d -o explore -g explore -m 0700 /var/lib/explore" in last_stage


def test_what_the_image_copies_is_let_in_and_all_else_is_kept_out():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    copied = {name for line in copies for name in line.split()}
    assert "*" in lines
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_without_a_container_engine_the_check_says_why_it_is_left_out(tmp_path):
    command = [sys.executable, ROOT / "deploy" / "compose_check.py"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "compose-check was left out: there is no command docker\n"
    (tmp_path / "docker").write_text("#!/bin/sh\n[ $1 = compose ] || { echo nobody answers >&2; exit 1; }\n")
    (tmp_path / "docker").chmod(0o755)
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "compose-check was left out: docker info says: nobody answers\n"
