"""What an outcome is, and what makes one valid: the shared validation layer.

Numbers reach this module as `Decimal` (see `json_text.read`), so booleans and numeric strings are never numbers, `1.0`
is the whole number 1, and money never passes through a float.
"""

import re
from collections.abc import Iterable, Set
from decimal import Context, Decimal, Inexact
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from outcomes.contract import json_text
from outcomes.contract.limits import (
    MAX_DESCRIPTION,
    MAX_ID,
    MAX_IGNORED_FIELDS,
    MAX_IGNORED_NAME,
    MAX_METADATA_BYTES,
    MAX_METADATA_LEVELS,
    MAX_TITLE,
)
from outcomes.contract.outcome_type import OutcomeType
from outcomes.errors import BadRequest, Fault

_MONEY_LIMIT = Decimal("1e15")
# DynamoDB keeps 38 digits and nothing nearer to zero than 1e-130:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_MONEY_CONTEXT = Context(prec=38, traps=[Inexact])
_SMALLEST_MONEY = Decimal("1e-130")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("blank")
    return text


def _whole(number: object) -> int:
    # Compared before converted: int(Decimal("1e999999")) would fill the memory.
    if not isinstance(number, Decimal) or not 1 <= number <= MAX_ID or number != int(number):
        raise ValueError("not a whole number in range")
    return int(number)


def _money(number: object) -> Decimal:
    # Compared without abs(), which rounds and overflows.
    if not isinstance(number, Decimal) or not -_MONEY_LIMIT < number < _MONEY_LIMIT:
        raise ValueError("not a number in range")
    if -_SMALLEST_MONEY < number < _SMALLEST_MONEY and number:
        raise ValueError("too near to zero")
    try:
        exact = number.normalize(_MONEY_CONTEXT)
    except Inexact as exc:
        raise ValueError("too many digits") from exc
    if not exact:
        return Decimal(0)  # zero has no sign
    # 90 rather than 9E+1: below 1e15, that is at most 15 digits.
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact


def _json_text(metadata: object) -> str:
    if not isinstance(metadata, dict):
        raise ValueError("not an object")
    text = json_text.exact(metadata, MAX_METADATA_LEVELS)
    # JSON allows half of a surrogate pair as an escape, and UTF-8 does not allow it at all.
    text = _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    if len(text.encode()) > MAX_METADATA_BYTES:
        raise ValueError("too large")
    return text


# A length makes pydantic look into the text, and so refuse half of a surrogate pair, which DynamoDB cannot take.
Title = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_TITLE, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),
]
Description = Annotated[str, Field(strict=True, max_length=MAX_DESCRIPTION), AfterValidator(lambda text: text or None)]

# What our own validators take, as openapi.yaml says it.
Money = Annotated[
    Decimal,
    BeforeValidator(_money),
    WithJsonSchema(
        {
            "type": "number",
            "exclusiveMinimum": -float(_MONEY_LIMIT),
            "exclusiveMaximum": float(_MONEY_LIMIT),
            "anyOf": [
                {"maximum": -float(_SMALLEST_MONEY)},
                {"const": 0},
                {"minimum": float(_SMALLEST_MONEY)},
            ],
        }
    ),
]
WholeNumber = Annotated[
    int, BeforeValidator(_whole), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_ID})
]
JsonText = Annotated[str, BeforeValidator(_json_text), WithJsonSchema({"type": "object"})]


class NewOutcome(BaseModel):
    """An outcome as an agent reports it, valid.

    Each description is the rule of its field, and the message that a caller reads who breaks it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome_type: OutcomeType = Field(alias="outcomeType", description=f"must be one of {', '.join(OutcomeType)}")
    title: Title = Field(description=f"must be a string of 1 to {MAX_TITLE} characters, not blank")
    description: Description | None = Field(
        None, description=f"must be a string of at most {MAX_DESCRIPTION} characters, or null"
    )
    value_usd: Money | None = Field(
        None,
        alias="valueUsd",
        description="must be a number of magnitude below 1e15 (and at least 1e-130, or 0) with at most 38 significant "
        "digits, or null",
    )
    agent_id: WholeNumber | None = Field(
        None, alias="agentId", description=f"must be a whole number from 1 to {MAX_ID}, or null"
    )
    user_id: WholeNumber | None = Field(
        None, alias="userId", description=f"must be a whole number from 1 to {MAX_ID}, or null"
    )
    metadata: JsonText | None = Field(
        None,
        description=f"must be an object of at most {MAX_METADATA_BYTES} bytes of JSON and at most "
        f"{MAX_METADATA_LEVELS} levels, or null",
    )

    @classmethod
    def parse(cls, body: dict[str, Any], *, session_user: int | None) -> Self:
        """Read the outcome in `body`, a JSON object whose numbers are `Decimal`.

        session_user: the user who is calling by session, and whose outcome it then is, whatever the body says; None for
        a caller by key, whose body says it.

        Raises BadRequest, naming every fault.
        """
        if session_user is not None:
            body = body | {"userId": Decimal(session_user)}
        try:
            return cls.model_validate(body)
        except ValidationError as invalid:
            faulty = {error["loc"][0] for error in invalid.errors(include_url=False, include_context=False)}
        # Raised out here: the original error quotes the input, which is not ours to log.
        details = [Fault(field=name, message=rule) for name, rule in _RULES.items() if name in faulty]
        ignored = ignored_fields(body)
        if "outcomeType" in faulty:
            raise BadRequest("Invalid outcome_type", ignored=ignored)
        raise BadRequest(f"Invalid {details[0]['field']}", details, ignored)

    def fingerprint(self) -> dict[str, bytes]:
        """Digest each field to 16 bytes, by its name in a request, equal for equal values.

        What is null is left out, so that a field that is added one day does not change what was there before.
        """
        values: dict[str, Any] = {
            field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()
        }
        if self.metadata is not None:
            values["metadata"] = json_text.exact(json_text.read(self.metadata), MAX_METADATA_LEVELS, canonical=True)
        return {
            name: sha256(str(value).encode(errors="surrogatepass")).digest()[:16]
            for name, value in values.items()
            if value is not None
        }


_RULES = {field.alias or name: field.description or "" for name, field in NewOutcome.model_fields.items()}

FIELDS = frozenset(_RULES)
"""By their names in a request."""


def ignored_fields(body: Iterable[str], read: Set[str] = FIELDS) -> list[str]:
    """Name the fields of a request that are not among those `read`, of an outcome unless said.

    Each name in visible ASCII without commas, all else percent-encoded (RFC 3986, 2.1); of names that are too long or
    too many, the beginning and `...`.
    """
    names = [_visible(name) for name in body if name not in read]
    return names if len(names) <= MAX_IGNORED_FIELDS else [*names[:MAX_IGNORED_FIELDS], "..."]


def _visible(name: str) -> str:
    encoded = "".join(
        char
        if "!" <= char <= "~" and char not in ",%"
        else "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogatepass"))
        for char in name[: MAX_IGNORED_NAME + 1]
    )
    return encoded if len(encoded) <= MAX_IGNORED_NAME else f"{encoded[: MAX_IGNORED_NAME - 3]}..."
