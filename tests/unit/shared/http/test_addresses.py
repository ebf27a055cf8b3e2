"""Where a request comes from: proxies are believed only where they are ours."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from shared.http.addresses import Proxies, one_client

OURS = ("10.0.0.0/8", "2001:db8::/32", "127.0.0.1")


def client(peer: str, *forwarded: str, networks: tuple[str, ...] = OURS) -> str:
    headers = CIMultiDict(("X-Forwarded-For", value) for value in forwarded)
    request = make_mocked_request("GET", "/", headers=headers)
    return Proxies(networks).client(request.clone(remote=peer))


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client("10.0.0.1", "203.0.113.9", networks=()) == "10.0.0.1"


def test_a_stranger_is_not_believed() -> None:
    assert client("198.51.100.7", "203.0.113.9") == "198.51.100.7"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (("203.0.113.9",), "203.0.113.9"),
        (("6.6.6.6, 203.0.113.9",), "203.0.113.9"),
        (("6.6.6.6", "203.0.113.9, 10.1.2.3"), "203.0.113.9"),
        (("10.9.9.9, 10.1.2.3",), "10.9.9.9"),
        (("203.0.113.9:4711",), "203.0.113.9"),
        (("[2003:a::1]:4711",), "2003:a::1"),
        (("::ffff:203.0.113.9",), "203.0.113.9"),
        (("203.0.113.9, nonsense",), "10.0.0.1"),
        (("203.0.113.9, nonsense, 10.1.2.3",), "10.1.2.3"),
        ((), "10.0.0.1"),
        (("",), "10.0.0.1"),
        ((", ".join(["10.0.0.2"] * 1000),), "10.0.0.2"),
    ],
)
def test_what_our_proxies_say_counts_up_to_the_first_stranger(
    forwarded: tuple[str, ...], address: str
) -> None:
    assert client("10.0.0.1", *forwarded) == address


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"999\.1\.1\.1"):
        Proxies(["999.1.1.1"])


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2003:a:b:c:1:2:3:4", "2003:a:b::/56"),
        ("2003:a:b:cff::", "2003:a:b:c00::/56"),
        ("2003:a:b:d00::", "2003:a:b:d00::/56"),
        ("", ""),
    ],
)
def test_one_client_has_a_whole_network_of_ipv6(address: str, counted: str) -> None:
    assert one_client(address) == counted
