"""Check the preconditions of a request that replaces something stored."""

from typing import NamedTuple

from outcomes.errors import BadRequest, Fault, PreconditionFailed


class Preconditions(NamedTuple):
    """The headers If-Match and If-None-Match of a request (RFC 9110, 13.1). if_match: the entity tags, or None."""

    if_match: frozenset[str] | None = None
    is_new: bool = False

    @staticmethod
    def parse(if_match: list[str], if_none_match: list[str]) -> "Preconditions":
        """Parse all values of the headers If-Match and If-None-Match. Raises BadRequest."""
        if set(if_none_match) - {"*"}:
            fault = Fault(field="If-None-Match", message="must be *")
            raise BadRequest("Invalid If-None-Match", [fault])
        tags = frozenset(tag.strip() for value in if_match for tag in value.split(","))
        return Preconditions(tags if if_match else None, bool(if_none_match))

    def check(self, version: int | None) -> None:
        """Raise PreconditionFailed if a precondition fails.

        version: the stored version; None if nothing is stored.
        """
        is_there = version is not None
        matches = self.if_match is None or (is_there and not self.if_match.isdisjoint({"*", etag(version)}))
        if not matches or (self.is_new and is_there):
            raise PreconditionFailed


def etag(version: int | None) -> str:
    return f'"{version}"'
