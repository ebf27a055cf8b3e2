"""The address that a request comes from, also behind our own proxies.

`X-Forwarded-For` is trusted only as far as trusted proxies wrote it: from the right, up to the
first address that is not one of theirs. Whatever the client wrote itself is further left.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

HEADER = "X-Forwarded-For"
MOST_PROXIES = 16
"""Addresses of the header that are read; nobody has that many proxies in a row."""
IPV6_PREFIX = 56
"""RFC 6177: a customer gets a /56 or a /48. A /48 counts as 256 clients; if a provider gives out
longer prefixes, up to 256 customers count as one."""

_Network = IPv4Network | IPv6Network


class Proxies:
    """The trusted proxies; `networks` are in CIDR notation. Raises `ValueError`."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[_Network] = [ip_network(text, strict=False) for text in networks]

    def client(self, request: web.BaseRequest) -> str:
        """The client's address, or "" if there is none (a Unix socket)."""
        peer = request.remote or ""
        if not self._networks or not self._trusts(peer):
            return peer
        hops = ",".join(request.headers.getall(HEADER, ())).split(",")
        for hop in reversed(hops[-MOST_PROXIES:]):
            address = _canonical(hop)
            if address is None:
                break
            peer = address
            if not self._trusts(address):
                break
        return peer

    def _trusts(self, text: str) -> bool:
        canonical = _canonical(text)
        if canonical is None:
            return False
        address = ip_address(canonical)
        return any(address in network for network in self._networks)


PROXIES = web.AppKey("proxies", Proxies)


def client_address(request: web.Request) -> str:
    """The client's address according to the application's trusted proxies."""
    return request.app[PROXIES].client(request)


def one_client(address: str) -> str:
    """What counts as one client: an IPv4 address, or the network of one IPv6 customer."""
    canonical = _canonical(address)
    if canonical is None or ":" not in canonical:
        return canonical or address
    return str(ip_network(f"{canonical}/{IPV6_PREFIX}", strict=False))


def _canonical(text: str) -> str | None:
    """The canonical form of an address, without its port; None if it is not an address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
