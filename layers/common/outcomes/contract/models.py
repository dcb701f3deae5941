"""Define the model of an outcome. Each field has a rule, and a description for Model Context Protocol (MCP) tools.

docs/extending.md explains how to add a field.
"""

from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from outcomes.contract import json_text
from outcomes.contract.bodies import Body, read_or_refuse
from outcomes.contract.outcome_type import Types
from outcomes.contract.rules import (
    instant,
    json_object,
    money,
    one_type,
    or_null,
    text_or_null,
    title,
    whole_number,
)
from outcomes.errors import BadRequest
from outcomes.limits import MAX_DESCRIPTION, MAX_METADATA_LEVELS, MAX_TITLE

if TYPE_CHECKING:
    from outcomes.contract.caller import Caller


class About(NamedTuple):
    """A field's description for models, and where the field appears.

    since: the release that added the field.

    Every field is in exports, events, tools and the feed's histories, and in lists with `include=ledger`. The fields
    in every list (`outcome_fields.LISTED`) and in statements (`statements.format`) are frozen.
    """

    words: str = ""
    since: str = "1.0"


class NewOutcome(NamedTuple):
    """A valid outcome to record. metadata: JSON text. occurred_at: milliseconds since 1970; None means now.

    The fields are the table from which `make contract` writes all other lists of them. Add new fields at the end.
    """

    outcome_type: Annotated[str, one_type(), About()]
    title: Annotated[str, title(MAX_TITLE), About("What was achieved, in one line a person understands.")]
    description: Annotated[
        str | None,
        text_or_null(MAX_DESCRIPTION),
        About("More about it, for the person who reads the feed."),
    ] = None
    value_usd: Annotated[
        Decimal | None,
        or_null(money()),
        About("What it is worth in US dollars, if you know; never a guess."),
    ] = None
    agent_id: Annotated[
        int | None,
        or_null(whole_number()),
        About("Which agent did it. Leave out if your key says it."),
    ] = None
    user_id: Annotated[int | None, or_null(whole_number()), About("For which user. Leave out if your key says it.")] = (
        None
    )
    metadata: Annotated[
        str | None, or_null(json_object()), About("Anything else worth keeping, such as ids and links.")
    ] = None
    occurred_at: Annotated[
        int | None,
        or_null(instant()),
        About("When it happened, if not now: an RFC 3339 instant with offset. Leave out unless you know."),
    ] = None

    @staticmethod
    def parse(body: dict[str, Any], *, session_user: int | None, types: Types | None = None) -> "NewOutcome":
        """Parse a body, a JSON object whose numbers are `Decimal`. Raises BadRequest with every fault.

        session_user: replaces the body's `userId`; None for a caller with a key. types: see `Body.given`.
        """
        if session_user is not None:
            body = body | {"userId": Decimal(session_user)}
        try:
            return NEW_OUTCOME.read(body, types)
        except BadRequest as refused:
            if refused.details[0]["field"] != "outcomeType":
                raise
            ignored = refused.ignored
        raise BadRequest("Invalid outcome_type", ignored=ignored, types=types or ())

    @staticmethod
    def of_caller(
        body: dict[str, Any], caller: "Caller", types: Types, key: str | None
    ) -> tuple["NewOutcome", BadRequest | None]:
        """Parse a body that `caller` sent. Return the outcome, and its refusal or None (see `read_or_refuse`).

        key: the idempotency key, if any. Raises the errors of `parse`, and Forbidden if the body exceeds the bounds of
        the caller's key.
        """
        return read_or_refuse(partial(NewOutcome._read, body, caller), types, key)

    @staticmethod
    def _read(body: dict[str, Any], caller: "Caller", types: Types | None) -> "NewOutcome":
        if caller.agent_key:
            body = caller.agent_key.complete(body)
        outcome = NewOutcome.parse(body, session_user=caller.session_user, types=types)
        if caller.agent_key:
            caller.agent_key.check(outcome._asdict())
        return outcome

    def fingerprint(self) -> dict[str, bytes]:
        """Compute a digest of 16 bytes of each field.

        Return the digests by the fields' names in a request. Equal values have equal digests.

        Null fields are left out, so that adding a field to the model does not change existing fingerprints.
        """
        fields = zip(NEW_OUTCOME.rules, self, strict=True)
        return {name: digest(name, value) for name, value in fields if value is not None}


def digest(name: str, value: object) -> bytes:
    """Compute a digest of 16 bytes of a field's value, which must not be null."""
    if name == "metadata":
        value = json_text.exact(json_text.read(str(value)), MAX_METADATA_LEVELS, canonical=True)
    return sha256(str(value).encode(errors="surrogatepass")).digest()[:16]


NEW_OUTCOME = Body(NewOutcome)
