"""Webhooks are sent only to public addresses."""

import socket
import threading
from typing import Any

import pytest
from outcomes.aws.addresses import NotPublic, is_public, public_addresses

ADDRESSES = {
    "public": ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"],
    "this host": ["127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "::"],  # noqa: S104
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd12:3456::1", "fec0::1"],
    "of one link": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "169.254.170.2", "169.254.169.123", "fd00:ec2::254", "100.100.100.200"],
    "behind a carrier's NAT": ["100.64.0.1", "100.127.255.255"],
    "of many": ["224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "4000::1", "100::1", "5f00::1"],
    "of documents and benchmarks": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1"],
    "of protocols": ["192.0.0.9", "192.88.99.1", "2001:1::1", "2001:20::1"],
    "an IPv4 address within": [
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, address) for kind, addresses in ADDRESSES.items() for address in addresses]
)
def test_only_an_address_of_the_internet_is_public(kind: str, address: str) -> None:
    assert is_public(address) is (kind == "public")


def found(*addresses: str) -> Any:
    families = {True: socket.AF_INET6, False: socket.AF_INET}
    return lambda _host, port, **_: [
        (families[":" in each], socket.SOCK_STREAM, 6, "", (each, port, 0, 0) if ":" in each else (each, port))
        for each in addresses
    ]


def test_a_name_of_public_addresses_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", found("2606:4700:4700::1111", "8.8.8.8"))

    assert [each[4][:2] for each in public_addresses(b"hooks.example.com", 443, 5)] == [
        ("2606:4700:4700::1111", 443),
        ("8.8.8.8", 443),
    ]


@pytest.mark.parametrize("also", ["10.0.0.5", "::1", "169.254.169.254"])
def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, also: str) -> None:
    monkeypatch.setattr("socket.getaddrinfo", found("8.8.8.8", also))

    with pytest.raises(NotPublic, match=also):
        public_addresses(b"hooks.example.com", 443, 5)


@pytest.mark.parametrize(
    "spelled", [b"127.1", b"2130706433", b"0x7f000001", b"0177.0.0.1", b"0", b"localhost", b"::1", b"::ffff:127.0.0.1"]
)
def test_every_spelling_of_this_host_is_refused(spelled: bytes) -> None:
    """The operating system accepts all these spellings."""
    with pytest.raises(NotPublic):
        public_addresses(spelled, 443, 5)


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_an_unknown_name_is_an_error(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        public_addresses(b"hooks.example.com", 443, 5)


def test_resolving_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait())
    with pytest.raises(TimeoutError):
        public_addresses(b"hooks.example.com", 443, 0.01)
    over.set()
