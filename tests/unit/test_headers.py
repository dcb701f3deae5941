"""Test reading the headers of an event."""

from outcomes.edge.headers import values


def test_header_names_are_case_insensitive() -> None:
    event = {"multiValueHeaders": {"Cookie": ["a=1", "b=2"], "Accept": ["*/*"], "COOKIE": ["c=3"]}}
    assert values(event, "cookie") == ["a=1", "b=2", "c=3"]
    assert values(event, "origin") == []
    assert values({"multiValueHeaders": None}, "cookie") == []
