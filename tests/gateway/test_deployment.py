"""No container engine runs here: what can be held without one is the shape of the files."""

import re
from pathlib import Path

import pytest
import yaml

from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\{(\w+)(:?[?-])?([^}]*)\}")


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


def test_named_volumes_are_declared_and_used(compose):
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"]}
    assert used == set(compose["volumes"])


def test_no_secret_stands_in_the_file_and_a_missing_one_is_named(compose):
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            for secret in ("POSTGRES_PASSWORD", "TOKEN_SECRET", "WEAVIATE_API_KEY"):
                if name == secret or secret in str(value):
                    (found,) = [variable for variable in VARIABLE.findall(value) if variable[0] == secret]
                    assert found[1] == ":?"
                    assert secret in found[2]


def test_the_gateway_is_given_only_settings_that_exist(compose):
    for service in ("gateway", "worker"):
        assert set(compose["services"][service]["environment"]) <= {name.upper() for name in Settings.model_fields}


def test_the_services_listen_on_this_machine_only(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


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
