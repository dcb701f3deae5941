"""Plant changes of stored formats. Each change names the compatibility promise that it breaks."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple


class Plant(NamedTuple):
    """Changes to the code, each as (old text, new text). promise: the name of the promise that these changes break."""

    promise: str
    changes: list[tuple[str, str]]


PLANTS = {
    "a hash of idempotency keys": Plant("once", [(r'{scope}\n{key}"', r'{scope} {key}"')]),
    "a hash of corrections": Plant("once", [("correction:{caller.recorded_by}:", "correction:{caller.kind}:")]),
    "a digest of fields": Plant("once", [('"surrogatepass")).digest()[:16]', '"surrogatepass")).digest()[16:]')]),
    "a codec": Plant(
        "sums",
        [('";".join', '"|".join'), ('.rstrip(";")', '.rstrip("|")'), ('tallies.split(";")', 'tallies.split("|")')],
    ),
    "a codec's version": Plant("sums", [("FORMAT = 3", "FORMAT = 4")]),
    "a codec's dictionary": Plant("sums", [(r"\ndeal_closed,1:0/", r"\ndeal_closed,2:0/")]),
    "a key of kept sums": Plant(
        "sums", [("partition\n        self.zone = zone\n", 'partition\n        self.zone = f"{zone}/"\n')]
    ),
    "a cursor": Plant("cursors", [("_text(ulid.number(id_).to_bytes(16))", "_text(ulid.number(id_).to_bytes(17))")]),
    "a cursor by occurrence": Plant("cursors", [("binascii.crc32(position)", "binascii.crc32(position, 1)")]),
    "a data request's cursor": Plant("cursors", [("[int(place), dict(start)]", "[dict(start), int(place)]")]),
    "a sort key of corrections": Plant("lists", [('f"~{created_at}#{id_}"', 'f"~{id_}"')]),
    "a format of agent keys": Plant("keys", [('PREFIX = "oc_"', 'PREFIX = "o2_"')]),
    "a digest of agent keys": Plant(
        "keys", [("sha256(key.encode()).hexdigest()", "sha256(key[3:].encode()).hexdigest()")]
    ),
    "a digest of sessions": Plant("sessions", [("sha256(token.encode())", "sha256(token[1:].encode())")]),
    "a column of exports": Plant("exports", [('("id", "user_id", *LISTED,', '("user_id", "id", *LISTED,')]),
    "a signature of webhooks": Plant("events", [("{webhook_id}.{timestamp}.", "{timestamp}.{webhook_id}.")]),
    "a hash of erased users": Plant("erasure", [("user_id.encode(), sha256", "user_id[1:].encode(), sha256")]),
}

NEWER_CURSOR = Plant(
    "cursors",
    [
        ("return _text(ulid.number", 'return "3." + _text(ulid.number'),
        ("int.from_bytes(_bytes(cursor))", 'int.from_bytes(_bytes(cursor.removeprefix("3.")))'),
        ("if cursor == after(id_)", 'if cursor.removeprefix("3.") == after(id_)[2:]'),
    ],
)
"""Reads older cursors, but writes cursors that older code refuses."""

ADDITIONS = Plant(
    "",
    [
        ("item[name] = attribute(name, value)", 'item[name], item["note"] = attribute(name, value), {"S": "new"}'),
        (',"created_at":"{instant}"\'', ',"created_at":"{instant}","note":"new"\''),
        ('"recorded_by", *LATER[1:])', '"recorded_by", *LATER[1:], "note")'),
        ("*_cells(item, _LATER),", '*_cells(item, _LATER), "new",'),
    ],
)
"""Allowed additions: an attribute, a response key, and a last CSV column."""


@contextmanager
def planted(plant: Plant, package: Path) -> Iterator[None]:
    """Change this copy of the package until the block ends. Each old text must occur in at least one file."""
    before: dict[Path, str] = {}
    try:
        for old, new in plant.changes:
            having = {file: text for file in package.rglob("*.py") if old in (text := file.read_text())}
            assert having, f"no file has {old}: plant it where it is now"
            for file, text in having.items():
                before.setdefault(file, text)
                _write(file, text.replace(old, new))
        yield
    finally:
        for file, text in before.items():
            _write(file, text)


def _write(file: Path, text: str) -> None:
    """Write a module. Delete its compiled file, which Python would use if the last text is of the same second."""
    file.write_text(text)
    Path(cache_from_source(str(file))).unlink(missing_ok=True)
