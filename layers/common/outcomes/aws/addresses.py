"""Resolve a host name to public addresses only. This prevents server-side request forgery (SSRF).

A name may resolve to this host, its network or a metadata service. All addresses are checked before anything is sent,
and the connection is made to a checked address without resolving again.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from threading import Thread

from outcomes.aws.connection import Found, addresses

# The range from which IANA assigns public addresses: https://www.iana.org/assignments/ipv6-unicast-address-assignments
# It excludes embedded IPv4 addresses (::/96, ::ffff:0:0/96, 64:ff9b::/96) and site-local ones (fec0::/10).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# These networks are reserved for protocols and documentation. Python treats parts of them as global, such as anycast
# relays.
_SPECIAL: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")),
    *map(IPv6Network, ("2001::/23", "2002::/16", "3fff::/20")),
)


class NotPublic(OSError):
    """A name resolves to an address that is not public."""


def is_public(address: str) -> bool:
    """Check that an address is a public unicast address by IANA's registries.

    https://www.iana.org/assignments/iana-ipv4-special-registry, .../iana-ipv6-special-registry
    """
    ip = ip_address(address)
    if not ip.is_global or ip.is_multicast or any(ip in network for network in _SPECIAL):
        return False
    return isinstance(ip, IPv4Address) or ip in _GLOBAL_UNICAST


def public_addresses(host: bytes, port: int, seconds: float) -> list[Found]:
    """Resolve a host. Raises NotPublic if any address is not public, TimeoutError after `seconds`, and OSError."""
    found = _within(host, port, seconds)
    refused = sorted({str(address[4][0]) for address in found if not is_public(str(address[4][0]))})
    if refused:
        raise NotPublic(f"not an address of the public internet: {', '.join(refused)}")
    return found


def _within(host: bytes, port: int, seconds: float) -> list[Found]:
    """Call the resolver in a separate thread, because the operating system's resolver has no timeout."""
    answers: SimpleQueue[list[Found] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(addresses(host, port, seconds))
        except OSError as failure:
            answers.put(failure)
        except UnicodeError:  # some operating systems raise UnicodeError for invalid names
            answers.put(socket.gaierror("not a name"))

    Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the name could not be looked up in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
