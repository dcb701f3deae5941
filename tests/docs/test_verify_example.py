"""The example verifier of statements, which shares no code with the clients, agrees with their test vectors."""

import base64
import json
import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "docs/examples/verify/verify.mjs"
VECTORS = ROOT / "clients/statements"
WRONG: dict[str, str] = json.loads((VECTORS / "wrong.json").read_text())
CASES = json.loads((VECTORS / "cases.json").read_text())

# Verifies many statements in one process, because starting Node takes longer than hundreds of verifications.
MANY = """
import { readFileSync } from "node:fs";
import { verify } from %s;
const read = (bytes) => (bytes === null ? undefined : Buffer.from(bytes, "base64"));
const line = (files) => {
  try {
    return verify(Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, read(bytes)])));
  } catch (error) {
    return error.message;
  }
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(line)));
"""

SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"the secret of the example").digest())
HEAD = list(json.loads((VECTORS / "2026-08.json").read_bytes()))[:13]
FIRST = json.loads((VECTORS / "2026-08.ndjson").read_bytes().splitlines()[1])["text"]
SEPTEMBER, OCTOBER = (json.loads((VECTORS / f"2026-{month}.json").read_bytes()) for month in ("09", "10"))
START, LAST, CUT = "2026-07-31T22:00:00.000Z", "2026-08-31T21:59:59.999Z", "2026-08-31T22:00:00.000Z"

pytestmark = pytest.mark.skipif(shutil.which("node") is None and "CI" not in os.environ, reason="node is not installed")

Files = dict[str, bytes | None]


def read(name: str) -> bytes:
    """Return a test vector's bytes."""
    return WRONG[name].encode() if name in WRONG else (VECTORS / name).read_bytes()


def files(names: dict[str, str | None], edits: list[list[Any]]) -> Files:
    """Return the files of a case, edited as cases.json describes."""
    result = {name: read(file) if file else None for name, file in (CASES["files"] | names).items()}
    for name, *edit in edits:
        before = (result[name] or b"").decode()
        match edit:
            case [[*lines]]:
                after = "".join(before.splitlines(keepends=True)[line] for line in lines)
            case [pattern, text]:
                after = re.sub(pattern, text.replace("\\", r"\\"), before, count=1)
        assert after != before, (name, edit)
        result[name] = after.encode()
    return result


def exact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signature_of(payload: str) -> str:
    """Return a JWS with the key of the test vectors."""
    text = f"{OCTOBER['signature'].partition('.')[0]}.{base64url(payload.encode())}"
    return f"{text}.{base64url(SIGNING_KEY.sign(text.encode()))}"


def root(leaves: list[bytes]) -> bytes:
    """Compute the Merkle tree hash of RFC 9162."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root(leaves[:left]) + root(leaves[left:])).digest()


def path(index: int, leaves: list[bytes]) -> list[str]:
    """Compute the inclusion proof of RFC 9162."""
    if len(leaves) == 1:
        return []
    left = 1 << (len(leaves) - 1).bit_length() - 1
    if index < left:
        return [*path(index, leaves[:left]), root(leaves[left:]).hex()]
    return [*path(index - left, leaves[left:]), root(leaves[:left]).hex()]


def signed(month: str, texts: list[str] | None = None, **members: Any) -> Files:
    """Return a month's statement with other entries and members, signed again, and a proof of all its entries."""
    statement = json.loads(read(f"{month}.json"))
    lines = [json.loads(line) for line in read(f"{month}.ndjson").splitlines()]
    if texts is not None:
        lines = [{"salt": "00" * 16, "text": text} for text in texts]
        statement["size"] = len(lines)
    leaves = [sha256(b"\0" + bytes.fromhex(line["salt"]) + line["text"].encode()).digest() for line in lines]
    statement |= {"root": root(leaves).hex()} | members
    sums = {name: statement[name] for name in ("totals", "adjustments", "sums_salt")}
    statement["sums"] = f"sha256:{sha256(exact(sums).encode()).hexdigest()}"
    head = {name: statement[name] for name in HEAD}
    statement["signature"] = signature_of(exact(head))
    proof = {
        "head": head,
        "signature": statement["signature"],
        "entries": [{"index": index, **line, "path": path(index, leaves)} for index, line in enumerate(lines)],
    }
    return {
        "statement": exact(statement).encode(),
        "entries": "".join(f"{exact(line)}\n" for line in lines).encode(),
        "proof": exact(proof).encode(),
        "keys": read("keys.json"),
    }


def outcome(number: int, **changes: Any) -> str:
    """Return the text of an outcome that was recorded in August."""
    return exact(json.loads(FIRST) | {"id": f"01K{number}"} | changes)


def correction(number: int, **changes: Any) -> str:
    """Return the text of a correction of outcome 0 that was recorded in August."""
    counted = {
        "status": "recorded",
        "value_usd": "1",
        "outcome_type": "deal_closed",
        "agent_id": 7,
        "occurred_at": START,
    }
    correction: dict[str, Any] = {
        "id": f"01K{number}",
        "outcome_id": "01K0",
        "type": "confirm",
        "reason": None,
        "by": "session",
    }
    correction |= {"created_at": "2026-08-03T09:15:00.000Z", "changes": None, "before": counted, "after": counted}
    return exact(correction | changes)


def without(given: Files, *names: str) -> Files:
    return {name: data for name, data in given.items() if name not in names}


def words(cases: dict[str, Files]) -> dict[str, str | None]:
    """Run the verifier over all cases. Return the first word of each refusal, or None if the case is verified."""
    given = [
        {name: None if data is None else base64.b64encode(data).decode() for name, data in case.items()}
        for case in cases.values()
    ]
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", MANY % json.dumps(VERIFIER.as_uri())],
        input=json.dumps(given), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = dict(zip(cases, json.loads(done.stdout), strict=True))
    return {name: None if line.startswith("what ") else line.partition(":")[0] for name, line in lines.items()}


def totals(value: str, count: int = 2) -> dict[str, Any]:
    """Return the totals of outcomes of one type that no agent recorded."""
    none = {"count": 0, "value_usd": "0.00"}
    row = {"count": count, "value_usd": value}
    return row | {
        "confirmed": none,
        "disputed": none,
        "voided": none,
        "by_type": [{"outcome_type": "task_complete", **row}],
        "by_agent": [{"agent_id": None, **row}],
    }


def test_the_example_verifies_or_refuses_each_test_vector() -> None:
    cases = {case["name"]: files(case.get("files", {}), case.get("edits", [])) for case in CASES["cases"]}
    assert words(cases) == {case["name"]: case["word"] for case in CASES["cases"]}


# Edits of the files of October: the file, a regular expression, and the text that replaces its first match.
EDITED: dict[str, tuple[str, list[str]]] = {
    "two counts in the totals": ("format", ["statement", r'"totals":\{', '"totals":{"count":1,']),
    "an unpaired surrogate in the adjustments": ("format", ["statement", '"task_complete"', r'"\ud800"']),
    "an escape in capitals": ("format", ["statement", r"example\.com", r"\u001F"]),
    "the size in another notation": ("format", ["statement", '"size":10', '"size":1e1']),
    "a list instead of totals": ("format", ["statement", r'"totals":\{.*\},"adj', '"totals":[],"adj']),
    "a byte order mark": ("format", ["statement", "^", "\ufeff"]),
    "two texts in an entry, one with an escape": ("format", ["entries", '"text":', r'"te\u0078t":"","text":']),
    "an empty line between entries": ("format", ["entries", "\n", "\n\n"]),
    "a proof with one member more": ("format", ["proof", r"^\{", '{"note":1,']),
    "a key in quotes": ("format", ["keys", r'"keys": \[', '"keys": ["",']),
    "a proof in another format": ("format", ["proof", "outcomes-statement/1", "outcomes-statement/2"]),
    "a key without the begin of its validity": ("format", ["keys", '"valid_from"', '"from"']),
    "no algorithm": ("key", ["statement", '"signature":"[^.]*', f'"signature":"{base64url(b'{"alg":"none"}')}']),
}  # fmt: skip


def test_the_example_refuses_edits_that_the_test_vectors_do_not_try() -> None:
    cases = {name: files({}, [edit]) for name, (_, edit) in EDITED.items()}
    assert words(cases) == {name: word for name, (word, _) in EDITED.items()}


def replaced(name: str, data: Any) -> Files:
    """Return the files of October, with another file instead of one of them."""
    return files({}, []) | {name: data if isinstance(data, bytes) else exact(data).encode()}


def node_as_leaf() -> Files:
    """Return a proof that gives the node above the first two entries as an entry."""
    proof = json.loads(read("proof.json"))
    entry = proof["entries"][0]
    leaf = sha256(b"\0" + bytes.fromhex(entry["salt"]) + entry["text"].encode()).digest()
    node = root([leaf, bytes.fromhex(entry["path"][0])]).hex()
    proof["entries"] = [entry | {"salt": node[:32], "text": node[32:], "path": entry["path"][1:]}]
    return replaced("proof", proof)


def following(**changes: str) -> Files:
    """Return October after a September with these changes, whose digest is in October."""
    previous = exact(SEPTEMBER | changes).encode()
    october = signed("2026-10", previous=f"sha256:{sha256(previous).hexdigest()}")
    return without(october, "proof") | {"previous": previous}


def test_the_example_checks_what_is_signed() -> None:
    proof = json.loads(read("proof.json"))
    keys = json.loads(read("keys.json"))
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    cents = [outcome(0, value_usd="9007199254740993.5"), outcome(1, value_usd="-0.001")]
    voided = {"type": "void", "changes": {}}
    amended = {
        "type": "amend",
        "changes": {"agent_id": {"before": 7, "after": 8}, "title": {"before": "", "after": "A"}},
    }
    with_blanks = signature_of(json.dumps({name: OCTOBER[name] for name in HEAD}))
    without_prefix = sha256(bytes(16) + outcome(0).encode()).hexdigest()
    cases: dict[str, tuple[str | None, Files]] = {
        "bytes that are not UTF-8": ("format", replaced("statement", exact(OCTOBER).encode("utf-16"))),
        "keys with a key of RSA": (None, replaced("keys", {"keys": [rsa, *keys["keys"]], "more": 1.5})),
        "the signature of another statement": (
            "signature", replaced("statement", OCTOBER | {"signature": SEPTEMBER["signature"]}),
        ),
        "a signed payload with blanks": (
            "signature", replaced("statement", OCTOBER | {"signature": with_blanks}),
        ),
        "a leaf without its prefix": ("root", signed("2026-08", [outcome(0)], root=without_prefix)),
        "an id at two times": ("root", signed("2026-08", [outcome(0), outcome(0, created_at=LAST)])),
        "ids out of order at the same time": ("root", signed("2026-08", [outcome(1), outcome(0)])),
        "an entry recorded at the cut": ("root", signed("2026-08", [outcome(0, created_at=CUT)])),
        "a time without milliseconds": ("root", signed("2026-08", [outcome(0, occurred_at="2026-08-09T00:00:00Z")])),
        "a void with changes": ("root", signed("2026-08", [correction(0, **voided)])),
        "an amend without changes": ("root", signed("2026-08", [correction(0, type="amend")])),
        "changes in another order": ("root", signed("2026-08", [correction(0, **amended)])),
        "sums beyond the precision of doubles": (
            None, without(signed("2026-08", cents, totals=totals("9007199254740993.499")), "proof"),
        ),
        "sums in doubles": ("totals", signed("2026-08", cents, totals=totals("9007199254740994.00"))),
        "an outcome recorded at the period's begin": (
            None, signed("2026-08", [outcome(0, created_at=START)], totals=totals("0.00", 1)),
        ),
        "the previous statement": (None, following()),
        "a previous statement of another user": ("previous", following(user="somebody")),
        "a previous statement of another time zone": ("previous", following(timezone="Europe/Paris")),
        "a node as a leaf": ("proof", node_as_leaf()),
        "a proof's entries in another order": ("proof", replaced("proof", proof | {"entries": proof["entries"][::-1]})),
    }  # fmt: skip
    for size in range(1, 10):
        of_one = [outcome(0), *(correction(number) for number in range(1, size))]
        cases[f"a proof of all {size} entries"] = (None, without(signed("2026-08", of_one), "statement", "entries"))
    assert words({name: given for name, (_, given) in cases.items()}) == {
        name: word for name, (word, _) in cases.items()
    }


def test_the_command_says_what_it_verified() -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(["node", VERIFIER, *arguments], cwd=VECTORS, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    options = ["--entries=2026-10.ndjson", "--previous=2026-09.json", "--proof=proof.json", "--keys=keys.json"]
    status, line = run("2026-10.json", *options)
    assert status == 0
    assert re.fullmatch(
        r"verified: .* as 2026-10@Europe/Berlin; all 10 entries, .*; the previous statement 2026-09@Europe/Berlin; "
        r"3 entries of .*\. The signature proves what the platform said and when, not that it is true\.\n",
        line,
    )
    status, line = run("2026-09.json", *options[1:])
    assert (status, line.partition(": expected ")[0]) == (1, "previous")
    status, line = run("--entries=2026-10.ndjson", "--keys=keys.json")
    assert (status, line.partition(":")[0]) == (2, "Usage")
