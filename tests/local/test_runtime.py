"""Test the local Lambda runtime, which runs handlers in worker processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import runtime
from local.environment import AwsEndpoint
from local.lambdas import Spec

FUNCTIONS = Path(__file__).parent / "project" / "functions"


def run(folder: Path, *events: dict[str, Any]) -> tuple[list[Any], str]:
    """Run the handler in a folder on these events. Return the answers that it printed, and its standard error."""
    spec = Spec("Tried", "arn:tried", "app.handler", 5, 128, (folder,), {})
    frames = [json.dumps({"id": f"{n}", "timeout": 5, "event": event}).encode() for n, event in enumerate(events)]
    done = subprocess.run(
        [sys.executable, "-P", runtime.__file__],
        input=b"".join(len(frame).to_bytes(8) + frame for frame in frames),
        env=os.environ | spec.environment(AwsEndpoint("http://127.0.0.1:9", "a secret")),
        capture_output=True,
        timeout=30,
        check=True,
    )
    answers, rest = [], done.stdout
    while rest:
        length = int.from_bytes(rest[:8])
        answers.append(json.loads(rest[8 : 8 + length]))
        rest = rest[8 + length :]
    return answers, done.stderr.decode()


def misbehave(*ways: str) -> tuple[list[Any], str]:
    return run(FUNCTIONS / "misbehave", *({"queryStringParameters": {"how": how}} for how in ways))


def test_output_goes_to_standard_error_without_metrics() -> None:
    (_, answer), errors = misbehave("metrics")
    assert answer == {"result": {"statusCode": 200, "body": "fine"}}
    assert errors == 'before\n{"level":"INFO"}\nafter\n'


@pytest.mark.parametrize(
    ("code", "error_type", "logged"),
    [
        ("VERSION == = 1", "SyntaxError", "app.py"),
        ("import nothing_of_that_name", "ModuleNotFoundError", "app.py"),
        ("handle = print", "AttributeError", "has no attribute 'handler'"),
    ],
)
def test_a_failed_import_is_the_only_answer(tmp_path: Path, code: str, error_type: str, logged: str) -> None:
    (tmp_path / "app.py").write_text(code)
    [answer], _ = run(tmp_path, {})
    assert answer["error"]["errorType"] == error_type
    assert logged in answer["log"]
    assert "runtime.py" not in answer["log"]


def test_a_file_is_compiled_once_for_each_content_and_again_if_what_was_kept_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    for text in ("one", "two"):
        file.write_text(f"def handler(event, context): return {text!r}")
        os.utime(file, (1, 1))
        assert run(tmp_path, {})[0][1] == {"result": text}
        [compiled] = (tmp_path / "__pycache__").iterdir()
        written = compiled.stat().st_mtime_ns
        assert run(tmp_path, {})[0][1] == {"result": text}
        assert compiled.stat().st_mtime_ns == written
    compiled.write_bytes(compiled.read_bytes()[:20])
    assert run(tmp_path, {})[0][1] == {"result": "two"}
