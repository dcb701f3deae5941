"""Write the example of docs/statement-format.md: three statements with their entries, keys and a proof.

`python -m tests.statements.example` writes the example to clients/statements. It also writes `wrong.json`, which has
signed files of which verifiers must refuse most. All input is fixed, so each run writes the same bytes.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from outcomes.calendar import instants
from outcomes.contract.json_text import compact
from outcomes.contract.status import CONFIRMED, DISPUTED, VOID, CountedFields
from outcomes.ledger import ulid
from outcomes.statements import format as statement_format
from outcomes.statements.format import ProofEntry, RecordedCorrection, RecordedOutcome
from outcomes.statements.signing_keys import SigningKey, jwk
from outcomes.statements.statement_sums import Bounds, StatementSums

from tests.statements import many_agents

FOLDER = Path(__file__).parents[2] / "clients" / "statements"
SECRET = "the secret of the example"
ISSUER = "https://api.example.com"
USER = "4bf9f4d7d1b9ef3b7ab1f8b1e5d0d3a4"
TIMEZONE = "Europe/Berlin"
CUTS = ["2026-06-30", "2026-07-31", "2026-08-31", "2026-09-30", "2026-10-31"]
"""The last days of months, which end at 22:00 UTC in summer, and at 23:00 UTC in winter."""

KEY = SigningKey(SECRET)
RETIRED = SigningKey("an earlier secret")

type Entry = RecordedOutcome | RecordedCorrection


class Statement(NamedTuple):
    """A statement, and the values that its proofs need."""

    text: str
    head: str
    signature: str
    salts: list[bytes]
    texts: list[str]

    def entries(self) -> str:
        return "".join(map(statement_format.entry_line, self.salts, self.texts))

    def proof(self, outcome_id: str) -> str:
        leaves = [statement_format.leaf(*each) for each in zip(self.salts, self.texts, strict=True)]
        fields = [json.loads(text) for text in self.texts]
        places = [place for place, each in enumerate(fields) if outcome_id in (each["id"], each.get("outcome_id"))]
        paths = statement_format.inclusion_paths(leaves, places)
        proven = [
            ProofEntry(place, self.salts[place], self.texts[place], path)
            for place, path in zip(places, paths, strict=True)
        ]
        return statement_format.proof_text(self.head, self.signature, proven)


def cut_of(last_day: str) -> str:
    return f"{last_day}T{'23' if last_day > '2026-10-25' else '22'}:00:00.000Z"


def bounds_of(instant: str) -> Bounds:
    cuts = map(cut_of, CUTS)
    return next(Bounds(begin, end) for begin, end in pairwise(cuts) if begin <= instant < end)


def statement(period: str, bounds: Bounds, entries: Sequence[Entry], previous: str | None) -> Statement:
    """Make a statement. previous: the text of the previous statement."""
    salt_key = f"the salt key of {period}".encode()
    tree, sums = statement_format.MerkleTree(), StatementSums(bounds, bounds_of)
    salts, texts = [], []
    for entry in sorted(entries, key=lambda each: (each.created_at, each.id)):
        salts.append(statement_format.salt(salt_key, entry.id))
        if isinstance(entry, RecordedOutcome):
            sums.add(None, recorded_fields(entry))
            texts.append(statement_format.outcome_text(entry))
        else:
            sums.add(entry.before, entry.after)
            texts.append(statement_format.correction_text(entry))
        tree.append(statement_format.leaf(salts[-1], texts[-1]))
    sums_text = sums.text(statement_format.salt(salt_key, statement_format.SUMS))
    head = statement_format.head_text(
        issuer=ISSUER,
        user=USER,
        period=period,
        timezone=TIMEZONE,
        begin=bounds.begin,
        cut=bounds.end,
        previous=previous and statement_format.digest(previous),
        size=tree.size,
        root=tree.root(),
        issued_at=instants.text(instants.read(bounds.end) + 11 * 60_000),
        sums=sums_text,
    )
    signature = KEY.sign(head)
    return Statement(statement_format.statement_text(head, sums_text, signature), head, signature, salts, texts)


def recorded_fields(outcome: RecordedOutcome) -> CountedFields:
    return CountedFields(outcome.occurred_at, outcome.outcome_type, outcome.agent_id, outcome.value_usd)


def outcome(created_at: str, outcome_type: str, title: str, value_usd: str | None, **fields: Any) -> RecordedOutcome:
    defaults = {"agent_id": 7, "description": None, "metadata": None, "occurred_at": created_at, "recorded_by": "key"}
    return RecordedOutcome(
        id=_id(created_at, title),
        created_at=created_at,
        outcome_type=outcome_type,
        title=title,
        value_usd=None if value_usd is None else Decimal(value_usd),
        **defaults | fields,
    )


def correction(
    created_at: str,
    type_: str,
    outcome_id: str,
    before: CountedFields,
    after: CountedFields,
    reason: str | None = None,
    by: str = "session",
    changes: dict[str, tuple[Any, Any]] | None = None,
) -> RecordedCorrection:
    return RecordedCorrection(
        _id(created_at, type_ + outcome_id), outcome_id, type_, reason, by, created_at, changes, before, after
    )


def _id(created_at: str, what: str) -> str:
    """Return an id that is always the same for the same entry."""
    return ulid.from_number(instants.read(created_at) << 80 | int.from_bytes(sha256(what.encode()).digest()[:10]) >> 1)


def _august() -> list[RecordedOutcome]:
    return [
        outcome(
            "2026-08-03T09:15:00.000Z",
            "deal_closed",
            'Renewed "Acme" \\ Größe, 日本 and 🎉',
            "12500.5",
            description="Two lines:\nthe second\twith a tab, a line separator\u2028and a slash /",
            metadata='{"deal":"4711","seats":2.50}',
            occurred_at="2026-08-02T22:30:00.000Z",
            recorded_by="key:01K1Q2W3E4R5T6Y7V8B9N0M1A2",
        ),
        outcome("2026-08-03T09:15:00.000Z", "task_complete", "Filed the report", None, agent_id=None, recorded_by=None),
        outcome(
            "2026-08-20T16:00:00.000Z", "deal_closed", "Refunded a month", "-99.99", agent_id=12, recorded_by="session"
        ),
    ]


def _october(acme: RecordedOutcome, report: RecordedOutcome) -> list[Entry]:
    plan, late, post, campaign = (
        outcome("2026-10-01T08:00:00.000Z", "deal_closed", "Sold the small plan", "100"),
        outcome(
            "2026-10-02T08:00:00.000Z",
            "deal_closed",
            "Sold the large plan",
            "250.25",
            occurred_at="2026-09-30T21:59:59.999Z",
        ),
        outcome("2026-10-05T12:00:00.000Z", "content_published", "Published the launch post", "0", agent_id=12),
        outcome("2026-10-31T22:59:59.999Z", "amplification_complete", "Reached a million", "1e-2", agent_id=12),
    )
    as_sold = recorded_fields(plan)
    fewer = as_sold._replace(value_usd=Decimal(80), agent_id=None)
    as_renewed, as_filed, as_posted = recorded_fields(acme), recorded_fields(report), recorded_fields(post)
    earlier = as_filed._replace(occurred_at="2026-07-31T21:59:59.999Z", value_usd=Decimal(40))
    return [
        plan,
        late,
        post,
        campaign,
        correction(
            "2026-10-07T10:00:00.000Z",
            "amend",
            plan.id,
            as_sold,
            fewer,
            reason="Two seats fewer",
            by="key",
            changes={
                "agent_id": (7, None),
                "value_usd": (Decimal(100), Decimal(80)),
                "metadata": (None, '{"seats":8}'),
            },
        ),
        correction("2026-10-08T10:00:00.000Z", "dispute", plan.id, fewer, fewer._replace(status=DISPUTED), "Not ours"),
        correction(
            "2026-10-09T10:00:00.000Z", "void", post.id, as_posted, as_posted._replace(status=VOID), "A draft", "key"
        ),
        correction(
            "2026-10-10T10:00:00.000Z",
            "amend",
            report.id,
            as_filed,
            earlier,
            reason="It was July's",
            by="key",
            changes={
                "occurred_at": (as_filed.occurred_at, earlier.occurred_at),
                "value_usd": (None, Decimal(40)),
            },
        ),
        correction(
            "2026-10-11T10:00:00.000Z",
            "amend",
            acme.id,
            as_renewed,
            as_renewed,
            reason="The title had a typing error",
            by="key",
            changes={"title": (acme.title, "Renewed Acme"), "description": (acme.description, None)},
        ),
        correction("2026-10-12T10:00:00.000Z", "confirm", acme.id, as_renewed, as_renewed._replace(status=CONFIRMED)),
    ]


def deceiving_proof() -> tuple[str, str]:
    """Return a proof whose title would print lines of its own, and how verifiers print the title."""
    title = '"\nTotal: 9 outcomes, $9.00\u2028\x1b[1A\u202e\U000e0041 \u200c👩\u200d👧'
    shown = '"\\"\ufffdTotal: 9 outcomes, $9.00\ufffd\ufffd[1A\ufffd\ufffd \u200c👩\u200d👧"'
    sold = outcome("2026-10-01T08:00:00.000Z", "deal_closed", title, "9")
    return statement("2026-10", bounds_of(sold.created_at), [sold], None).proof(sold.id), shown


def files() -> dict[str, str]:
    """Return the texts of all files, by name."""
    from tests.statements import odd  # it imports this module

    right = honest_files()
    about = {"about": "Generated by `python -m tests.statements.example`: files by name. Change that module instead."}
    return right | {"wrong.json": json.dumps(about | wrong(right["2026-09.json"]) | odd.files(), indent=1) + "\n"}


def honest_files() -> dict[str, str]:
    august = _august()
    october = _october(*august[:2])
    entries: list[tuple[str, Sequence[Entry]]] = [("2026-08", august), ("2026-09", []), ("2026-10", october)]
    months: dict[str, Statement] = {}
    previous = None
    for (period, recorded), (begin, end) in zip(entries, pairwise(map(cut_of, CUTS[1:])), strict=True):
        months[period] = statement(period, Bounds(begin, end), recorded, previous)
        previous = months[period].text
    keys = [
        jwk(RETIRED.public, "2026-01-01T00:00:00.000Z", "2026-07-01T00:00:00.000Z"),
        jwk(KEY.public, "2026-07-01T00:00:00.000Z", None),
    ]
    return {
        "keys.json": json.dumps({"keys": keys}, indent=1) + "\n",
        **{f"{period}.json": each.text for period, each in months.items()},
        **{f"{period}.ndjson": each.entries() for period, each in months.items()},
        "proof.json": months["2026-10"].proof(october[0].id),
        **_agents(months["2026-09"].text),
    }


def _agents(september: str) -> dict[str, str]:
    """Return a statement with more agents than it lists."""
    before, month = (bounds_of(f"2026-{month}-15T12:00:00.000Z") for month in ("09", "10"))
    august = bounds_of("2026-08-15T12:00:00.000Z")
    made = statement("2026-10", month, many_agents.entries(month, august, before), september)
    return {"agents.json": made.text, "agents.ndjson": made.entries()}


RULE = {"each_usd": None, "basis": "stated", "note": None}
DEFINITION: dict[str, Any] = {
    "from": "2026-09",
    "timezone": TIMEZONE,
    "dispute_days": 14,
    "types": [
        {
            "outcome_type": "content_published",
            "when": "confirmed",
            "each_usd": "75",
            "basis": "estimated",
            "note": "90 minutes at $50",
        },
        {"outcome_type": "deal_closed", "when": "claimed"} | RULE,
        {"outcome_type": "task_complete", "when": "never"} | RULE,
        {"outcome_type": "*", "when": "unless_disputed"} | RULE,
    ],
}


def _definitions() -> dict[str, dict[str, Any]]:
    """Return definitions by name. Verifiers must accept only the first two."""
    first, second, third, last = DEFINITION["types"]

    def of(*types: Any, **members: Any) -> dict[str, Any]:
        return DEFINITION | members | ({"types": [*types]} if types else {})

    return {
        "definition": DEFINITION,
        "definition-by-code-points": of(
            first | {"outcome_type": "\uff21"}, second | {"outcome_type": "\U0001f389"}, last
        ),
        "definition-by-code-units": of(
            first | {"outcome_type": "\U0001f389"}, second | {"outcome_type": "\uff21"}, last
        ),
        "definition-of-more": of(note=None),
        "definition-in-another-order": dict(reversed(DEFINITION.items())),
        "definition-from-a-day": of(**{"from": "2026-09-01"}),
        "definition-in-days-as-text": of(dispute_days="14"),
        "definition-without-rules": DEFINITION | {"types": []},
        "definition-without-a-last-rule": of(first, second, third),
        "definition-with-the-last-rule-first": of(last, first),
        "definition-with-two-last-rules": of(last, last),
        "definition-with-a-type-twice": of(first, first, last),
        "definition-out-of-order": of(second, first, last),
        "definition-with-no-rule": of(None, last),
        "rule-in-another-order": of(dict(reversed(first.items())), last),
        "rule-of-an-unknown-when": of(last | {"when": "sometimes"}),
        "rule-of-an-unknown-basis": of(last | {"basis": "guessed"}),
        "rule-with-money-as-a-number": of(last | {"each_usd": 75}),
        "rule-with-money-of-sums": of(last | {"each_usd": "75.00"}),
        "rule-without-a-basis": of(last | {"basis": None}),
        "rule-without-a-note": of({name: value for name, value in last.items() if name != "note"}),
    }


def wrong(september: str) -> dict[str, str]:
    """Return the texts of files that a dishonest platform could sign, by name. september: the previous statement."""
    august = _august()
    october = _october(*august[:2])
    bounds = bounds_of(october[0].created_at)
    honest = statement("2026-10", bounds, october, september)

    def sums_of(entries: list[Entry]) -> str:
        text = statement("2026-10", bounds, entries, september).text
        return text[text.index('"totals"') : text.index(',"signature"')]

    sums = sums_of(october)

    def signed(sums: str, head: str = honest.head, key: SigningKey = KEY) -> str:
        digest = statement_format.digest(f"{{{sums}}}")
        head = f'{head[: head.index(',"sums"')]},"sums":"{digest}"}}'
        return statement_format.statement_text(head, f"{{{sums}}}", key.sign(head))

    def listed(texts: list[str], sums: str = sums) -> tuple[str, str]:
        salts = [bytes([place]) * 16 for place in range(len(texts))]
        tree = statement_format.MerkleTree()
        for each in zip(salts, texts, strict=True):
            tree.append(statement_format.leaf(*each))
        head = json.loads(honest.head) | {"size": len(texts), "root": tree.root().hex()}
        return signed(sums, compact(head)), "".join(map(statement_format.entry_line, salts, texts))

    adjustments = json.loads(f"{{{sums}}}")["adjustments"]
    first, second, third = map(compact, adjustments)
    moved = compact(adjustments[2] | {"to": "2026-10-01T22:00:00.000Z"})
    untouched = compact(adjustments[0] | {"from": "2026-05-31T22:00:00.000Z", "to": "2026-06-30T22:00:00.000Z"})
    made = {
        "totals.json": signed(sums.replace('"count":1', '"count":2', 1)),
        "row.json": signed(sums.replace('"agent_id":12,"count":1', '"agent_id":12,"count":2', 1)),
        "odd-totals.json": signed(sums.replace('"voided":{"count":1', '"avoided":{"count":1', 1)),
        "odd-money.json": signed(sums.replace('"value_usd":"80.00"', '"value_usd":"8e1"')),
        "adjustment.json": signed(sums.replace('"confirmed":{"count":1', '"confirmed":{"count":0')),
        "missing-adjustment.json": signed(sums.replace(f",{third}", "")),
        "unsorted-adjustments.json": signed(sums.replace(f"{first},{second}", f"{second},{first}")),
        "overlap.json": signed(sums.replace(third, moved)),
        "untouched.json": signed(sums.replace(first, f"{untouched},{first}")),
        "odd-instant.json": signed(sums.replace(".000Z", "Z", 1)),
        "adjustment-in-another-order.json": signed(
            sums.replace(first, compact(dict(reversed(adjustments[0].items()))))
        ),
        "odd-adjustment.json": signed(sums.replace(first, f'{{"note":1,{first[1:]}')),
        "unlisted-key.json": signed(sums, key=SigningKey("a secret of somebody else")),
        "retired-key.json": signed(sums, key=RETIRED),
        "gap.json": signed(sums, honest.head.replace("2026-09-30T22:00", "2026-10-01T22:00")),
        "others.json": signed(
            sums.replace('"other_agents":null', '"other_agents":{"agents":1,"count":0,"value_usd":"0.00"}', 1)
        ),
        "odd-others.json": signed(
            sums.replace('"other_agents":null', '"other_agents":{"count":0,"value_usd":"0.00"}', 1)
        ),
        "odd-money-of-others.json": signed(
            sums.replace('"other_agents":null', '"other_agents":{"agents":1,"count":0,"value_usd":"0"}', 1)
        ),
        **{
            f"{name}.json": signed(sums.replace('"definition":null', f'"definition":{compact(definition)}'))
            for name, definition in _definitions().items()
        },
        "quarter.json": signed(sums, honest.head.replace('"period":"2026-10"', '"period":"2026-Q4"')),
        "odd-row.json": signed(sums.replace('"agent_id":12,"count":1', '"agent_id":12,"count":"1"', 1)),
        "other-format.json": signed(sums, honest.head.replace("outcomes-statement/1", "outcomes-statement/2")),
    }
    texts = honest.texts
    amend, dispute = texts[3:5]
    amended = amend[amend.index('{"value_usd"') : amend.index(',"before":{"status"')]
    for name, changed in {
        "order": [texts[1], texts[0]],
        "twice": [texts[0], texts[0]],
        "same-id": [texts[0], texts[0].replace('"created_at":"2026-10-01T08', '"created_at":"2026-10-01T09')],
        "order-of-ids": [texts[0], texts[0].replace(october[0].id, october[0].id[:-1])],
        "amended": [*texts[:3], amend.replace('{"before":7,', '{"before":8,'), *texts[4:]],
        "unlisted-changes": [*texts[:3], amend.replace(amended, "{}"), *texts[4:]],
    }.items():
        made[f"{name}.json"], made[f"{name}.ndjson"] = listed(changed)
    for name, (text, part, replacement) in {
        "outside": (texts[0], '"created_at":"2026-10-01', '"created_at":"2026-09-01'),
        "cut": (texts[0], '"created_at":"2026-10-01T08:00', '"created_at":"2026-10-31T23:00'),
        "blank": (texts[0], ":", ": "),
        "duplicate": (texts[0], "{", '{"id":"01M3V7ME00",'),
        "more": (texts[0], "}", ',"note":null}'),
        "id": (texts[0], compact(october[0].id), "7"),
        "instant": (texts[0], '"occurred_at":"2026-10-01T', '"occurred_at":"2026-10-01 '),
        "money": (texts[0], '"100"', '"1e2"'),
        "title": (texts[0], '"Sold the small plan"', "null"),
        "metadata": (texts[0], '"metadata_sha256":null', '"metadata_sha256":"sha256:00"'),
        "status": (amend, '"status":"recorded"', '"status":"paid"'),
        "type": (dispute, '"type":"dispute"', '"type":"approve"'),
        "no-changes": (amend, amended, "null"),
        "changes-of-a-dispute": (dispute, '"changes":null', f'"changes":{amended}'),
        "changed-member": (amend, '"agent_id":{', '"agent":{'),
        "changed-order": (
            amend,
            amended,
            '{"title":{"before":"","after":"A"},"outcome_type":{"before":"","after":"a"}}',
        ),
        "changed-value": (amend, '"after":"80"', '"after":"8e1"'),
        "changed-before": (amend, '"before":"100",', ""),
    }.items():
        made[f"{name}.json"], made[f"{name}.ndjson"] = listed([text.replace(part, replacement, 1)])
    # The totals follow a member that no entry has, the last one of two members with the same name, or money with more
    # digits than any outcome has. Verifiers must accept only the last statement.
    long = "9" * 10_001
    plan, post, void = october[0], october[2], october[6]
    sold, posted, voided = texts[0], texts[2], texts[5]
    for name, (changed, followed) in {
        "counted": ([f'{sold[:-1]},"count":9}}'], sums_of([plan]).replace('"count":1', '"count":9')),
        "counted-before": (
            [posted, voided.replace('},"after"', ',"count":0},"after"')],
            sums_of([post]).replace('"voided":{"count":0', '"voided":{"count":1'),
        ),
        "counted-after": (
            [posted, f'{voided[:-2]},"count":9}}}}'],
            sums_of([post, void]).replace('"voided":{"count":1', '"voided":{"count":9'),
        ),
        "undefined": (
            [sold, f'{posted[:-1]},"undefined":"x"}}'],
            sums_of([plan, post]).replace('"count":2', '"count":1', 1),
        ),
        "two-values": ([sold.replace('"value_usd"', '"value_usd":"9","value_usd"')], sums_of([plan])),
        "long-money": ([sold.replace('"100"', f'"{long}"')], sums_of([plan]).replace('"100.00"', f'"{long}.00"')),
    }.items():
        made[f"{name}.json"], made[f"{name}.ndjson"] = listed(changed, followed)
    made["reordered.ndjson"] = "".join(
        compact(dict(reversed(json.loads(line).items()))) + "\n" for line in honest.entries().splitlines()
    )
    # Statements that continue false previous statements. The first one must be accepted: a statement's signature covers
    # the digest of the previous statement, so verifiers do not check the previous statement's signature and issuer.
    for name, previous in {
        "unsigned-september": september.replace(ISSUER, "https://old.example.com"),
        "september-of-another": september.replace(USER, "somebody"),
        "september-in-paris": september.replace('"Europe/Berlin"', '"Europe/Paris"'),
        "no-statement": "{}",
    }.items():
        made[f"{name}.json"] = previous
        head = honest.head.replace(statement_format.digest(september), statement_format.digest(previous))
        made[f"after-{name}.json"] = signed(sums, head)
    # Statements of September that do not belong to the others, although the platform signed them.
    empty = september[september.index('"totals"') : september.index(',"signature"')]
    for name, part, replacement in (
        ("another-issuer", ISSUER, "https://old.example.com"),
        ("another-user", USER, "somebody"),
        ("paris", '"Europe/Berlin"', '"Europe/Paris"'),
    ):
        head = september[: september.index(',"totals"')] + "}"
        made[f"signed-september-of-{name}.json"] = signed(empty, head.replace(part, replacement))
    # Doubles would round the sum. The outcomes were recorded in the first and in the last millisecond of the month.
    exact = statement(
        "2026-10",
        bounds,
        [
            outcome(bounds.begin, "deal_closed", "Sold the bank", "9007199254740993.5"),
            outcome("2026-10-31T22:59:59.999Z", "deal_closed", "Paid a fee", "-0.001"),
        ],
        september,
    )
    made["doubles.json"], made["doubles.ndjson"] = exact.text, exact.entries()
    # UTF-16 would sort the second type before the first one.
    types = [outcome(bounds.begin, type_, "Danced", "1") for type_ in ("\uff5e", "\U0001f600")]
    made["types.json"] = statement("2026-10", bounds, types, september).text
    one, two = (json.loads(honest.proof(each.id)) for each in october[:2])
    # A dishonest proof presents the node above the first two leaves as if it were a leaf, with a salt and a text.
    entry = one["entries"][0]
    leaf = statement_format.leaf(honest.salts[0], honest.texts[0])
    node = sha256(b"\1" + leaf + bytes.fromhex(entry["path"][0])).hexdigest()
    as_leaf = entry | {"salt": node[:32], "text": node[32:], "path": entry["path"][1:]}
    return made | {
        "two-outcomes-proof.json": compact(one | {"entries": [entry, two["entries"][0]]}),
        "reversed-proof.json": compact(one | {"entries": one["entries"][::-1]}),
        "node-proof.json": compact(one | {"entries": [as_leaf]}),
    }


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_bytes(text.encode())
