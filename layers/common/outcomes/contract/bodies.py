"""Bodies of requests: JSON objects to NamedTuples, whose fields are annotated with their rules.

    class NewKey(NamedTuple):
        name: Annotated[str, rules.text(80)]
        agent_id: Annotated[int | None, rules.or_null(rules.whole_number())] = None

    NEW_KEY = Body(NewKey)
    NEW_KEY.read({"name": "Nightly import", "agentId": Decimal(7)})  # gives NewKey("Nightly import", 7)

A field that is called `agent_id` here is called `agentId` in a request.
"""

from collections.abc import Callable, Container, Iterable
from functools import cached_property
from typing import Any

from outcomes.contract.engine import SchemaValidator, ValidationError
from outcomes.contract.limits import MAX_IGNORED_FIELDS, MAX_IGNORED_NAME
from outcomes.contract.rules import Rule
from outcomes.errors import BadRequest, Fault, Refused


class Body[T]:
    """A kind of body, made once.

    names: to the name of each field of the model, that in a request.
    rules: the rule of each field, by its name in a request.
    required: the names in a request of the fields that must be there, as they have no default.
    """

    def __init__(self, model: type[T], parts: Iterable[str] | None = None) -> None:
        """Take the rules from the annotations of `model`, a NamedTuple.

        parts: names of fields. The body may have any of these, need have none, and is read by `given` alone.
        """
        self._model = model
        named_tuple: Any = model
        optional = named_tuple._field_defaults if parts is None else named_tuple._fields
        self.names = {name: request_name(name) for name in parts or named_tuple._fields}
        self.rules: dict[str, Rule] = {
            in_request: model.__annotations__[name].__metadata__[0] for name, in_request in self.names.items()
        }
        self.required = [in_request for name, in_request in self.names.items() if name not in optional]
        self._validator = self._made({name: rule.engine for name, rule in self.rules.items()})

    def read(self, body: dict[str, Any], *, as_before: bool = False) -> T:
        """Read a JSON object whose numbers are `Decimal`. as_before: see `given`.

        Raises BadRequest, naming the faults of all fields in the order of the model, and the fields that were not read.
        """
        return self._model(**self.given(body, as_before=as_before))

    def given(self, body: dict[str, Any], *, as_before: bool = False) -> dict[str, Any]:
        """Read the fields that `body` has, as `read` does, by the names of the model's.

        as_before: by the rules before some of them became narrower, see `read_or_refuse`.
        """
        try:
            fields: dict[str, Any] = (self._before if as_before else self._validator).validate_python(body)
            return fields
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False, include_context=False, include_input=False)
            faulty = {error["loc"][0] for error in errors}
        # Raised out here: the original error quotes the input, which is not ours to log.
        details = [Fault(field=name, message=rule.words) for name, rule in self.rules.items() if name in faulty]
        raise BadRequest(f"Invalid {details[0]['field']}", details, ignored_fields(body, self.rules))

    @cached_property
    def _before(self) -> SchemaValidator:
        return self._made({name: rule.before or rule.engine for name, rule in self.rules.items()})

    def _made(self, engines: dict[str, dict[str, Any]]) -> SchemaValidator:
        fields: Any = {
            name: {
                "type": "typed-dict-field",
                "schema": engines[in_request],
                "required": in_request in self.required,
                "validation_alias": in_request,
            }
            for name, in_request in self.names.items()
        }
        return SchemaValidator({"type": "typed-dict", "fields": fields, "extra_behavior": "ignore"})

    def json_schema(self) -> dict[str, Any]:
        """Describe the body for openapi.yaml, each field with its rule in words."""
        properties = {name: rule.json_schema | {"description": rule.words} for name, rule in self.rules.items()}
        return {"type": "object", "required": self.required, "properties": properties}


def read_or_refuse[T](read: Callable[[bool], T], key: str | None) -> tuple[T, BadRequest | None]:
    """Read a body by the rules there are; with an idempotency key, else by those of before, beside its refusal.

    What was recorded before a rule became narrower is still known by its key. read: as `Body.given`, given `as_before`.

    Raises BadRequest.
    """
    try:
        return read(False), None
    except BadRequest as refused:
        refusal = refused
    if key is None:
        raise refusal
    try:
        return read(True), refusal
    except Refused:
        raise refusal from None


def ignored_fields(body: Iterable[str], read: Container[str]) -> list[str]:
    """Name the fields of a body that are not among those `read`.

    Each name in visible ASCII without commas, all else percent-encoded (RFC 3986, 2.1); of names that are too long or
    too many, the beginning and `...`.
    """
    names = [_visible(name) for name in body if name not in read]
    return names if len(names) <= MAX_IGNORED_FIELDS else [*names[:MAX_IGNORED_FIELDS], "..."]


def request_name(name: str) -> str:
    """Write a field's name as requests have it: `agent_id` is `agentId`."""
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


def _visible(name: str) -> str:
    encoded = "".join(
        char
        if "!" <= char <= "~" and char not in ",%"
        else "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogatepass"))
        for char in name[: MAX_IGNORED_NAME + 1]
    )
    return encoded if len(encoded) <= MAX_IGNORED_NAME else f"{encoded[: MAX_IGNORED_NAME - 3]}..."
