"""The addresses that a receiver's name stands for, if all of them are the public internet's.

A name may lead anywhere: to this host, to the network it is in, to the metadata of whoever runs it. So whatever is
found is looked at before anything is sent, and what was looked at is what is connected to: no name is asked for twice.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from threading import Thread

from outcomes.aws.connection import Found, addresses

# https://www.iana.org/assignments/ipv6-unicast-address-assignments: whatever was ever given to anybody. So nothing that
# wraps an IPv4 address (::/96, ::ffff:0:0/96, 64:ff9b::/96) is part of it, nor what is one site's (fec0::/10).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Of protocols and documents, whatever Python's tables say of parts of them: some are answered by the nearest relay.
_SPECIAL: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")),
    *map(IPv6Network, ("2001::/23", "2002::/16", "3fff::/20")),
)


class NotPublic(OSError):
    """A receiver's name stands for an address that is not the public internet's."""


def is_public(address: str) -> bool:
    """Check that an address is one of the public internet's, by IANA's registries, and for one host.

    https://www.iana.org/assignments/iana-ipv4-special-registry, .../iana-ipv6-special-registry
    """
    ip = ip_address(address)
    if not ip.is_global or ip.is_multicast or any(ip in network for network in _SPECIAL):
        return False
    return isinstance(ip, IPv4Address) or ip in _GLOBAL_UNICAST


def public_addresses(host: bytes, port: int, seconds: float) -> list[Found]:
    """Find the addresses of a host.

    Raises NotPublic when one of them is not public, TimeoutError when they are not found within `seconds`, and OSError
    when there are none.
    """
    found = _within(host, port, seconds)
    refused = sorted({str(address[4][0]) for address in found if not is_public(str(address[4][0]))})
    if refused:
        raise NotPublic(f"not an address of the public internet: {', '.join(refused)}")
    return found


def _within(host: bytes, port: int, seconds: float) -> list[Found]:
    """Look a name up in a thread of its own: the operating system gives up when it likes."""
    answers: SimpleQueue[list[Found] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(addresses(host, port, seconds))
        except OSError as failure:
            answers.put(failure)
        except UnicodeError:  # an odd name, to some operating systems
            answers.put(socket.gaierror("not a name"))

    Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the receiver's name could not be looked up in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
