"""Run the three verifiers of statements on the same files: both clients, and the example in Node."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from outcomes_client.statements import StatementError, verify, verify_months

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "docs/examples/verify/verify.mjs").as_uri()
ESBUILD = ROOT / "clients/typescript/node_modules/.bin/esbuild"

needs_npm = pytest.mark.skipif(
    not ESBUILD.exists() and "CI" not in os.environ,
    reason="esbuild is not installed: make test installs it where there is npm",
)

# Starting Node takes longer than hundreds of verifications, so each process verifies many statements.
NODE = """
import { readFileSync } from "node:fs";
import * as example from %s;
import * as client from %s;
const bytes = (text) => (text === null ? null : Buffer.from(text, "base64"));
const results = [];
for (const given of JSON.parse(readFileSync(0, "utf8"))) {
  const files = Object.fromEntries(Object.entries(given).map(([role, text]) => [role, bytes(text)]));
  const said = (verifying) => verifying.catch((error) => error.word ?? `${error.stack}`);
  const verified = async () => {
    const { head, totals = null, adjustments = null, entries } = await client.verify(files);
    return { head, totals, adjustments, entries };
  };
  const addedUp = async () => {
    const { statement, previous, keys } = files;
    const { totals, changes } = await client.verifyMonths({ statements: [statement, previous], keys });
    return { totals, changes };
  };
  const typescript = [await said(verified()), files.statement && files.previous && (await said(addedUp()))];
  let short = null;
  if (files.statement && files.entries) {
    try {
      example.verify(files.statement, files.entries, files.keys, files.previous ?? undefined);
      short = "verified";
    } catch (error) {
      short = error.word ?? "format";
    }
  }
  results.push([typescript, short]);
}
console.log(JSON.stringify(results));
"""


def python(files: dict[str, bytes | None]) -> list[Any]:
    """Return the word with which the Python client refuses files, or what it read from them.

    Return the same of the sum of the statement and the previous one, or None if one of these is missing.
    """
    statements, keys = [files["statement"], files["previous"]], files["keys"] or b""
    return [
        _said(lambda: verify(**files), "head", "totals", "adjustments", "entries"),  # type: ignore[arg-type]
        _said(lambda: verify_months(statements, keys=keys), "totals", "changes") if all(statements) else None,  # type: ignore[arg-type]
    ]


def _said(verifying: Callable[[], object], *names: str) -> Any:
    try:
        verified = verifying()
    except StatementError as refused:
        return refused.word
    return {name: getattr(verified, name) for name in names}


def others(given: Sequence[dict[str, bytes | None]]) -> list[tuple[Any, str | None]]:
    """Return the same of the TypeScript client, and the example's word: "verified", or None without entries."""
    encoded = [
        {role: None if data is None else base64.b64encode(data).decode() for role, data in files.items()}
        for files in given
    ]
    words: list[tuple[Any, str | None]] = node(
        NODE % (json.dumps(EXAMPLE), json.dumps(typescript())), json.dumps(encoded)
    )
    return words


def node(script: str, given: str) -> Any:
    """Run a module in Node, and return the JSON that it prints."""
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script], input=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def typescript() -> str:
    """Return the URL of the TypeScript client's verifiers as a module for Node."""
    sources = b'export * from "./statements.ts"; export * from "./statement-months.ts"'
    command = [str(ESBUILD), "--bundle", "--format=esm", "--log-level=warning"]
    folder = ROOT / "clients/typescript/src"
    module = subprocess.run(command, cwd=folder, input=sources, check=True, capture_output=True)
    return f"data:text/javascript;base64,{base64.b64encode(module.stdout).decode()}"
