"""Parse request bodies (JSON objects) to NamedTuples whose fields are annotated with their rules.

    class NewKey(NamedTuple):
        name: Annotated[str, rules.text(80)]
        agent_id: Annotated[int | None, rules.or_null(rules.whole_number())] = None

    NEW_KEY = Body(NewKey)
    NEW_KEY.read({"name": "Nightly import", "agentId": Decimal(7)})  # returns NewKey("Nightly import", 7)

The field `agent_id` of a model is `agentId` in a request.
"""

from collections.abc import Callable, Container, Iterable
from typing import Any

from outcomes.contract.engine import SchemaValidator, ValidationError
from outcomes.contract.outcome_type import Types
from outcomes.contract.rules import OUTCOME_TYPES, Rule
from outcomes.errors import BadRequest, Fault, Refused
from outcomes.limits import MAX_IGNORED_FIELDS, MAX_IGNORED_NAME


class Body[T]:
    """A parser for one kind of body.

    names: maps the model's field names to the request's field names. rules: maps the request's field names to rules.
    required: the names, in the request, of the fields that have no default.
    """

    def __init__(self, model: type[T], parts: Iterable[str] | None = None) -> None:
        """Read the rules from the annotations of `model`, a NamedTuple.

        parts: the fields to use, if not all of the model's fields. With `parts`, all fields are optional, so the body
        must be parsed with `given`, not with `read`.
        """
        self._model = model
        named_tuple: Any = model
        optional = named_tuple._field_defaults if parts is None else named_tuple._fields
        self.names = {name: request_name(name) for name in parts or named_tuple._fields}
        self.rules: dict[str, Rule] = {
            in_request: model.__annotations__[name].__metadata__[0] for name, in_request in self.names.items()
        }
        self.required = [in_request for name, in_request in self.names.items() if name not in optional]
        fields: Any = {
            name: {
                "type": "typed-dict-field",
                "schema": self.rules[in_request].engine,
                "required": in_request in self.required,
                "validation_alias": in_request,
            }
            for name, in_request in self.names.items()
        }
        self._validator = SchemaValidator({"type": "typed-dict", "fields": fields, "extra_behavior": "ignore"})

    def read(self, body: dict[str, Any], types: Types | None = None) -> T:
        """Parse a JSON object whose numbers are `Decimal`. types: see `given`.

        Raises BadRequest with the faults of all fields, in the model's order, and the names of unknown fields.
        """
        return self._model(**self.given(body, types))

    def given(self, body: dict[str, Any], types: Types | None = None) -> dict[str, Any]:
        """Parse only the fields that `body` has, like `read`. Return their values by the model's field names.

        types: the valid outcome types; None accepts any well-formed name.
        """
        try:
            fields: dict[str, Any] = self._validator.validate_python(body, context=types)
            return fields
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False, include_context=False, include_input=False)
            faulty = {error["loc"][0] for error in errors}
        # Raise outside the `except` block, so that no log contains the original error as the context of this one: the
        # original error quotes the input.
        words = {name: rule.words for name, rule in self.rules.items() if name in faulty}
        names = ", ".join(types or ())
        details = [Fault(field=name, message=said.replace(OUTCOME_TYPES, names)) for name, said in words.items()]
        wrong_type = any(OUTCOME_TYPES in said for said in words.values())
        ignored = ignored_fields(body, self.rules)
        raise BadRequest(f"Invalid {details[0]['field']}", details, ignored, (types or ()) if wrong_type else ())

    def json_schema(self) -> dict[str, Any]:
        """Return the schema of the body for openapi.yaml."""
        properties = {name: rule.json_schema | {"description": rule.words} for name, rule in self.rules.items()}
        return {"type": "object", "required": self.required, "properties": properties}


def read_or_refuse[T](read: Callable[[Types | None], T], types: Types, key: str | None) -> tuple[T, BadRequest | None]:
    """Parse a body. Return the parsed body and None.

    If only its outcome type is refused, and there is an idempotency key, return the parsed body and the error. So the
    retry of a request can be recognized by its key after its type was removed from the deployment's types.

    read: parses the body; its argument is the `types` of `Body.given`. Raises BadRequest.
    """
    try:
        return read(types), None
    except BadRequest as refused:
        refusal = refused
    if key is None:
        raise refusal
    try:
        return read(None), refusal
    except Refused:
        raise refusal from None


def ignored_fields(body: Iterable[str], read: Container[str]) -> list[str]:
    """Return the names of a body's fields that are not in `read`, encoded for a header.

    Commas and all but visible ASCII are percent-encoded (RFC 3986, 2.1). Long names and long lists end with `...`.
    """
    names = [_visible(name) for name in body if name not in read]
    return names if len(names) <= MAX_IGNORED_FIELDS else [*names[:MAX_IGNORED_FIELDS], "..."]


def request_name(name: str) -> str:
    """Convert a field's name to its name in requests: `agent_id` to `agentId`."""
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


def _visible(name: str) -> str:
    chars = [
        char
        if "!" <= char <= "~" and char not in ",%"
        else "".join(f"%{byte:02X}" for byte in char.encode("utf8", "replace"))
        for char in name[: MAX_IGNORED_NAME + 1]
    ]
    encoded = "".join(chars)
    if len(encoded) <= MAX_IGNORED_NAME:
        return encoded
    while len(encoded) > MAX_IGNORED_NAME - 3:
        encoded = encoded.removesuffix(chars.pop())  # whole characters, because clients refuse half an escape
    return f"{encoded}..."
