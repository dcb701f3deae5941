"""Read and write the rows of the table of statements.

user_id (HASH, S)       `42`; for public keys `keys`, see `signing_keys`
id (RANGE, S)           the kind of the row, see below
created_at              S, when the row was written, by DynamoDB's clock

A statement, with the id `2026-10@Europe/Berlin`:

from, cut               S, the start and the end (exclusive) of its interval of recording time
salt_key                B
content                 B, compressed: the statement's text; in rows of earlier versions also the index of its tree
parts                   N, the number of rows that contain it; the id of the second has `#1` appended, and so on

Its index, for proofs and parts of its entries, whatever the size of its text, `index#2026-10@Europe/Berlin`:

from, cut, salt_key     as above
head, signature         S, as in a proof
groups                  B, the index of the groups of its tree (see `tree`)
subtrees                N, the number of subtrees in a group; with more than 1, the row `index#2026-10@Europe/Berlin#0`
                        has the subtrees of the first group as `content` (B), and so on

Its entry in the list, `listed#<number>#2026-10@Europe/Berlin` (a later cut has a smaller number, to come first):

period, timezone, from, cut, root, sha256    S
size                    N

The work on a statement that one call cannot finish, `unfinished#2026-10@Europe/Berlin`:

salt_key, content, parts    as above; the content is that of `work`
size                    N, the entries so far
epoch                   N, the epoch of the row of imports (see `ledger.imports`) when the work began
rules                   S, see `work.RULES`
agents                  S, the id of the first row of its sums of agents

The sums of agents of this work, `agents#2026-10@Europe/Berlin#<32 hexadecimal digits>`. They can be larger than a
transaction. So they are stored first, under a new id each time, and deleted when no work has this id any more:

content, parts          as above; the content is `StatementSums.agents_text`

The row `user`:

key                     B, the key of the HMAC by which statements name the user
"""

import os
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.backoff import CONFLICTS, THROTTLED
from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import NEVER, DynamoDB, Item, TransactionCanceled, pages
from outcomes.calendar import instants
from outcomes.errors import Busy, Fault, NotPossible

if TYPE_CHECKING:  # `tree` is imported where it is needed: other functions only list statements or delete rows
    from outcomes.statements.tree import Subtree

PART_BYTES = 300_000  # a row has at most 400 KB
MAX_BYTES = 3_900_000
"""Maximum bytes of all rows of a statement, because a transaction writes at most 4 MB. The index of 10 million entries
has 3.7 MB."""
MAX_ACTIONS = 100  # maximum actions of a transaction

_LISTED = "listed#"
_INDEX = "index#"
_UNFINISHED = "unfinished#"
_AGENTS = "agents#"
_USER = "user"
_LATEST = 10**13  # milliseconds since 1970, later than every cut; a greater value would need more digits


class Statement(NamedTuple):
    """A statement to store. text: the text that the API returns. tree_index: see `tree`."""

    text: str
    tree_index: bytes
    salt_key: bytes
    begin: str
    cut: str


class Interval(NamedTuple):
    """Says which entries a stored statement has, from `begin` to `cut` (exclusive), and how to salt them."""

    begin: str
    cut: str
    salt_key: bytes


class Index(NamedTuple):
    """Finds the entries of a stored statement for proofs.

    head, signature: as in a proof. size: the number of subtrees in a group. groups: those of the tree (see `tree`).
    """

    interval: Interval
    head: str
    signature: str
    size: int
    groups: "list[Subtree]"


class ListedStatement(NamedTuple):
    """A statement's entry in the list. sha256: the digest of its bytes."""

    period: str
    timezone: str
    begin: str
    cut: str
    size: int
    root: str
    sha256: str

    @property
    def id(self) -> str:
        return f"{self.period}@{self.timezone}"

    @property
    def place(self) -> str:
        return place(self.cut, self.id)


class Unfinished(NamedTuple):
    """The work on a statement so far.

    content: JSON text. agents: `StatementSums.agents_text`. size: the number of entries so far. agents_ids: the ids of
    the rows that contain `agents`, once they are stored.
    """

    content: str
    agents: str
    salt_key: bytes
    size: int
    epoch: int
    rules: str
    parts: int = 1
    agents_ids: Sequence[str] = ()


def place(cut: str, id_: str) -> str:
    """Return a statement's sort key in the list: latest cut first, then by id."""
    return f"{_LATEST - instants.read(cut):013d}#{id_}"


class StatementsTable:
    """Reads the rows, and returns the actions of transactions that write them. name: the table's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read_text(self, reads: PacedReads, user_id: int, id_: str) -> str | None:
        """Return the text of a statement."""
        _, content = self._read(reads, user_id, id_)
        return content.decode().partition("\n")[0] or None

    def read_interval(self, reads: PacedReads, user_id: int, id_: str) -> Interval | None:
        row = self._get(reads, user_id, _INDEX + id_) or self._get(reads, user_id, id_)
        return _interval(row) if row else None

    def read_index(self, reads: PacedReads, user_id: int, id_: str) -> Index | None:
        from outcomes.statements.tree import subtrees

        row = self._get(reads, user_id, _INDEX + id_)
        if row:
            head, signature, size = row["head"]["S"], row["signature"]["S"], int(row["subtrees"]["N"])
            return Index(_interval(row), head, signature, size, subtrees(_bytes(row["groups"])))
        row, content = self._read(reads, user_id, id_)  # an earlier version stored it
        if not row:
            return None
        text, _, index = content.decode().partition("\n")
        return Index(_interval(row), *_signed(text), 1, subtrees(b64decode(index)))

    def read_group(self, reads: PacedReads, user_id: int, id_: str, index: Index, number: int) -> "list[Subtree]":
        """Return the subtrees of a group. Return an empty list if an erasure deleted them meanwhile."""
        from outcomes.statements.tree import subtrees

        if index.size == 1:
            return [index.groups[number]]
        row = self._get(reads, user_id, f"{_INDEX}{id_}#{number}")
        return subtrees(_bytes(row["content"])) if row else []

    def read_unfinished(self, reads: PacedReads, user_id: int, id_: str) -> Unfinished | None:
        try:
            row, content = self._read(reads, user_id, _UNFINISHED + id_)
            if "agents" not in row:  # there is no such work, or an earlier version stored it
                return None
            of_agents, agents = self._read(reads, user_id, row["agents"]["S"])
        except zlib.error:  # another call replaced some of the rows meanwhile
            return None
        if not of_agents:
            return None
        size, epoch, parts = (int(row[name]["N"]) for name in ("size", "epoch", "parts"))
        rules = row.get("rules", {"S": ""})["S"]  # earlier versions stored no rules
        ids = _part_ids(row["agents"]["S"], int(of_agents["parts"]["N"]))
        return Unfinished(content.decode(), agents.decode(), _bytes(row["salt_key"]), size, epoch, rules, parts, ids)

    def read_user_key(self, reads: PacedReads, user_id: int) -> bytes | None:
        """Return the key of the HMAC that identifies the user in statements. Return None before the first statement."""
        row = self._get(reads, user_id, _USER)
        return _bytes(row["key"]) if row else None

    def read_list(
        self, reads: PacedReads, user_id: int, after: str = "", limit: int | None = None
    ) -> list[ListedStatement]:
        """Return a user's statements, latest cut first, then by id.

        after: the `place` of the statement before the first one.
        """
        query: dict[str, Any] = {
            "TableName": self.name,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user AND id BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":user": {"S": str(user_id)},
                ":first": {"S": f"{_LISTED}{after}!" if after else _LISTED},
                ":last": {"S": f"{_LISTED}~"},
            },
        } | ({"Limit": limit} if limit else {})
        rows = (row for page in pages(reads.call, query) for row in page["Items"])
        return [*islice(filter(None, map(listed_statement, rows)), limit)]

    def put_statement(
        self, user_id: int, statement: Statement, listed: ListedStatement, now: str, others: int = 0
    ) -> list[dict[str, Any]]:
        """Return the actions that store a statement, if it is not stored yet. others: the transaction's other actions.

        Raises NotPossible if the statement is too large.
        """
        from outcomes.statements.tree import grouped

        attributes: Item = {
            "from": {"S": statement.begin},
            "cut": {"S": statement.cut},
            "salt_key": _binary(statement.salt_key),
        }
        # The newline tells readers of a first row that it has the whole text, see `text_of`.
        packed = _packed(f"{statement.text}\n", listed.id, len(statement.tree_index))
        first, *more = _rows(user_id, listed.id, now, attributes, packed)
        most = MAX_ACTIONS - others - len([first, *more]) - len(["index", "entry in the list"])
        size, groups, contents = grouped(statement.tree_index, most)
        head, signature = _signed(statement.text)
        index_id = _INDEX + listed.id
        index = _row(user_id, index_id, now) | attributes
        index |= {"head": {"S": head}, "signature": {"S": signature}}
        index |= {"groups": _binary(groups), "subtrees": {"N": str(size)}}
        more += [index]
        more += [
            _row(user_id, f"{index_id}#{number}", now) | {"content": _binary(each)}
            for number, each in enumerate(contents)
        ]
        entry = _row(user_id, _LISTED + listed.place, now) | {
            "period": {"S": listed.period},
            "timezone": {"S": listed.timezone},
            "from": {"S": listed.begin},
            "cut": {"S": listed.cut},
            "size": {"N": str(listed.size)},
            "root": {"S": listed.root},
            "sha256": {"S": listed.sha256},
        }
        return [self._put(first, ConditionExpression="attribute_not_exists(id)"), *map(self._put, [*more, entry])]

    def put_unfinished(
        self, user_id: int, id_: str, unfinished: Unfinished, now: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the actions that store the work on a statement: those for its sums of agents, and all others.

        Each of the former first needs a transaction of its own. The latter fail if another call has added more entries
        or has made the statement. Raises NotPossible.
        """
        agents_id = f"{_AGENTS}{id_}#{os.urandom(16).hex()}"
        agents = _rows(user_id, agents_id, now, {}, zlib.compress(unfinished.agents.encode()))
        size, epoch = ({"N": str(number)} for number in (unfinished.size, unfinished.epoch))
        rules = {"S": unfinished.rules}
        attributes: Item = {"size": size, "epoch": epoch, "rules": rules, "salt_key": _binary(unfinished.salt_key)}
        attributes |= {"agents": {"S": agents_id}}
        first, *more = _rows(user_id, _UNFINISHED + id_, now, attributes, _packed(unfinished.content, id_))
        # Work without `agents` is not continued: no call or an earlier version stored it.
        expression = "attribute_not_exists(agents) OR epoch <> :epoch OR #rules <> :rules OR #size < :size"
        condition = {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": {"#rules": "rules", "#size": "size"},
            "ExpressionAttributeValues": {":epoch": epoch, ":rules": rules, ":size": size},
        }
        check = {"Key": _key(user_id, id_), "ConditionExpression": "attribute_not_exists(id)"}
        is_not_made = {"ConditionCheck": {"TableName": self.name, **check}}
        return [*map(self._put, agents)], [is_not_made, self._put(first, **condition), *map(self._put, more)]

    def delete_unfinished(self, user_id: int, id_: str, unfinished: Unfinished) -> list[dict[str, Any]]:
        return [self.delete(user_id, each) for each in _part_ids(_UNFINISHED + id_, unfinished.parts)]

    def agents_ids(self, dynamodb: DynamoDB, user_id: int, made: Collection[str]) -> Iterator[str]:
        """Yield the ids of all rows with sums of agents of these statements, including rows of failed calls."""
        query: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "user_id = :user AND begins_with(id, :prefix)",
            "ProjectionExpression": "id",
            "ExpressionAttributeValues": {":user": {"S": str(user_id)}, ":prefix": {"S": _AGENTS}},
        }
        for page in pages(partial(dynamodb.call, "Query"), query):
            yield from (row["id"]["S"] for row in page["Items"] if row["id"]["S"].split("#")[1] in made)

    def delete(self, user_id: int, id_: str) -> dict[str, Any]:
        return {"Delete": {"TableName": self.name, "Key": _key(user_id, id_)}}

    def put_user_key(self, user_id: int, key: bytes, now: str) -> dict[str, Any]:
        row = _row(user_id, _USER, now) | {"key": _binary(key)}
        return self._put(row, ConditionExpression="attribute_not_exists(id)")

    def check_user_key(self, user_id: int, key: bytes) -> dict[str, Any]:
        """Return the action that checks that a user's key is still stored.

        An erasure deletes the key, so that no statement is stored after it.
        """
        check = {"ConditionExpression": "#key = :key", "ExpressionAttributeNames": {"#key": "key"}}
        check |= {"ExpressionAttributeValues": {":key": _binary(key)}}
        return {"ConditionCheck": {"TableName": self.name, "Key": _key(user_id, _USER), **check}}

    def _put(self, row: Item, **condition: Any) -> dict[str, Any]:
        return {"Put": {"TableName": self.name, "Item": row, **condition}}

    def _read(self, reads: PacedReads, user_id: int, id_: str) -> tuple[Item, bytes]:
        """Return the row with this id, and the content of all its rows: `id_`, `id_#1`, `id_#2` and so on.

        Both are empty if a row is missing. Raises zlib.error.
        """
        first = self._get(reads, user_id, id_)
        if not first:
            return first, b""
        more = [self._get(reads, user_id, each) for each in _part_ids(id_, int(first["parts"]["N"]))[1:]]
        if not all(more):  # another call is deleting the rows
            return {}, b""
        packed = b"".join([_bytes(row["content"]) for row in (first, *more)])
        return first, zlib.decompress(packed)

    def _get(self, reads: PacedReads, user_id: int, id_: str) -> Item:
        item: Item = reads.call(
            {"TableName": self.name, "Key": _key(user_id, id_), "ConsistentRead": True}, "GetItem"
        ).get("Item", {})
        return item


def store(dynamodb: DynamoDB, actions: list[dict[str, Any]], until: float = NEVER) -> bool:
    """Write a transaction. Return False if another call wrote first. Raises Busy if the table is throttled."""
    try:
        dynamodb.call("TransactWriteItems", {"TransactItems": actions}, until=until)
    except TransactionCanceled as failure:
        codes = set(failure.codes) - {"None"}
        if codes and codes <= CONFLICTS:
            return False
        if codes and codes <= CONFLICTS | THROTTLED:
            raise Busy from failure
        raise
    return True


def listed_statement(row: Item) -> ListedStatement | None:
    """Read a statement's entry in the list. Return None for any other row."""
    if not row["id"]["S"].startswith(_LISTED):
        return None
    period, timezone, begin, cut, root, sha256 = (
        row[name]["S"] for name in ("period", "timezone", "from", "cut", "root", "sha256")
    )
    if not re.fullmatch("[0-9]{4}-[0-9]{2}", period):  # stacks in development may have stored quarters and years
        return None
    return ListedStatement(period, timezone, begin, cut, int(row["size"]["N"]), root, sha256)


def text_of(row: Item) -> str | None:
    """Return the text of a statement from its first row, or None if only a part of the text is in this row."""
    text, end, _ = zlib.decompressobj().decompress(_bytes(row["content"])).partition(b"\n")
    return text.decode() if end else None


def _key(user_id: int, id_: str) -> Item:
    return {"user_id": {"S": str(user_id)}, "id": {"S": id_}}


def _row(user_id: int, id_: str, now: str) -> Item:
    return _key(user_id, id_) | {"created_at": {"S": now}}


def _interval(row: Item) -> Interval:
    return Interval(row["from"]["S"], row["cut"]["S"], _bytes(row["salt_key"]))


def _signed(text: str) -> tuple[str, str]:
    """Return the head and the signature of a statement."""
    return text.partition(',"totals":')[0] + "}", text[:-2].rpartition('"')[2]


def _packed(content: str, id_: str, others: int = 0) -> bytes:
    """Compress the content of a transaction. Raises NotPossible if it is too large.

    id_: the statement's. others: the transaction's other bytes.
    """
    packed = zlib.compress(content.encode())
    if len(packed) + others > MAX_BYTES:
        message = f"has too many entries in {id_.partition('@')[0]}: some 10 million are possible"
        raise NotPossible(details=[Fault(field="period", message=message)])
    return packed


def _rows(user_id: int, id_: str, now: str, attributes: Item, packed: bytes) -> list[Item]:
    """Return the rows that contain `packed`. Only the first row has `attributes`."""
    parts = [packed[at : at + PART_BYTES] for at in range(0, len(packed), PART_BYTES)]
    ids = _part_ids(id_, len(parts))
    first, *more = [
        _row(user_id, each, now) | {"content": _binary(part)} for each, part in zip(ids, parts, strict=True)
    ]
    return [first | attributes | {"parts": {"N": str(len(parts))}}, *more]


def _part_ids(id_: str, parts: int) -> list[str]:
    return [id_, *(f"{id_}#{number}" for number in range(1, parts))]


def _binary(value: bytes) -> dict[str, str]:
    return {"B": b64encode(value).decode()}


def _bytes(attribute: dict[str, Any]) -> bytes:
    return b64decode(attribute["B"])
