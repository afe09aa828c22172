"""A network has a name for a day, and nobody has an address."""

from datetime import timedelta

import pytest

from db.interactions.network_cap import SHARED_NETWORK
from db.models import now
from gateway.callers.network_hash import NetworkHash

NETWORKS = NetworkHash(b"s" * 32)


def test_neighbours_share_a_name_and_strangers_do_not() -> None:
    assert NETWORKS.hash("8.8.8.8") == NETWORKS.hash("8.8.8.250") != NETWORKS.hash("8.8.9.8")
    assert NETWORKS.hash("2606:4700:1:2::1") == NETWORKS.hash("2606:4700:1:9::7") != NETWORKS.hash("2606:4700:2::1")
    assert NETWORKS.hash("::ffff:8.8.8.8") == NETWORKS.hash("8.8.8.8")


def test_the_name_changes_with_the_day_and_the_secret() -> None:
    assert NETWORKS.hash("8.8.8.8") != NETWORKS.hash("8.8.8.8", now() + timedelta(days=1))
    assert NETWORKS.hash("8.8.8.8") != NetworkHash(b"t" * 32).hash("8.8.8.8")


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "testclient",
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.9",
        "::1",
        "fe80::1%eth0",
        "100.64.0.7",
        "169.254.1.1",
    ],
)
def test_all_addresses_that_are_not_global_are_one_network(host: str | None) -> None:
    assert NETWORKS.hash(host) == SHARED_NETWORK
