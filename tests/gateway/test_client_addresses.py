from ipaddress import ip_network

import pytest
from starlette.requests import HTTPConnection

from gateway.client_addresses import ClientAddresses

PROXY, OTHER_PROXY, CALLER, FORGED = "10.0.0.7", "2001:db8::7", "203.0.113.9", "198.51.100.1"
TRUSTED = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("2001:db8::/64")])


def connection(client, *forwarded):
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return HTTPConnection({"type": "http", "headers": headers, "client": client and (client, 5000)})


def address(client, *forwarded, addresses=TRUSTED):
    found = addresses.find(connection(client, *forwarded))
    return None if found is None else str(found)


def test_without_a_proxy_it_is_the_connections():
    assert address(CALLER) == CALLER
    assert address(PROXY) == PROXY
    assert address(None) is None
    assert address("testclient") is None


def test_nobody_is_believed_unless_the_settings_say_so():
    assert address(CALLER, FORGED) == CALLER
    assert address(PROXY, FORGED, addresses=ClientAddresses()) == PROXY


@pytest.mark.parametrize(
    "forwarded",
    [
        (CALLER,),
        (f"{FORGED}, {CALLER}",),
        (f"{FORGED},{CALLER},{OTHER_PROXY}",),
        (FORGED, CALLER, f"{OTHER_PROXY}, 10.9.9.9"),
        (f"{CALLER}:54321",),
        (f"::ffff:{CALLER}",),
        (f"not an address, {CALLER}",),
        ("10.1.1.1, " * 1_000 + CALLER,),
    ],
)
def test_behind_proxies_it_is_the_rightmost_that_is_none_of_them(forwarded):
    assert address(PROXY, *forwarded) == CALLER


def test_an_address_of_the_sixth_version_may_stand_in_brackets_with_a_port():
    assert address(PROXY, "[2001:db9::5]:443") == "2001:db9::5"
    assert address(PROXY, "2001:db9::5") == "2001:db9::5"
    assert address("::ffff:10.0.0.7", CALLER) == CALLER


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        " ",
        ",",
        "unknown",
        "_hidden",
        "999.1.1.1",
        "1.2.3",
        "::::",
        "9" * 5_000,
        "a" * 30_000,
        "\xff\xfe",
        "[",
        "[]:1",
    ],
)
def test_garbage_does_no_harm_and_leaves_the_proxy(garbage):
    assert address(PROXY, garbage) == PROXY
    assert address(PROXY, f"{CALLER}, {garbage}") == PROXY


def test_behind_nothing_but_proxies_it_is_the_one_furthest_out():
    assert address(PROXY, f"{OTHER_PROXY}, 10.9.9.9") == OTHER_PROXY
