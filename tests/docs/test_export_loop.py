"""The loop of docs/export.md writes a whole file or none."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from clients.python.tests.faults import FaultyServer
from tests.servers import serving

PAGE = (Path(__file__).parents[2] / "docs/export.md").read_text()
PARTS = {"": (b"1\n", "a.B-_1"), "&cursor=a.B-_1": (b"", "b"), "&cursor=b": (b"2\n3\n", "")}


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("fails_at", "kept"), [(None, "1\n2\n3\n"), *((part, "of yesterday\n") for part in PARTS)], ids=repr
)
def test_the_file_is_replaced_when_all_parts_are_there(
    fails_at: str | None, kept: str, shell: str, tmp_path: Path
) -> None:
    def part(_method: str, target: str, headers: Mapping[str, str], _body: bytes) -> tuple[int, dict[str, str], bytes]:
        given = target.removeprefix("/api/outcomes/export?format=ndjson")
        text, cursor = PARTS[given]
        # curl repeats a call that got a 500 only after a second.
        status = 400 if given == fails_at or headers["Cookie"] != "its" else 200
        return status, {"Next-Cursor": cursor} if cursor else {}, text

    [loop] = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "outcomes.ndjson").write_text("of yesterday\n")
    with serving(FaultyServer(part)) as server:
        script = loop.replace("http://127.0.0.1:3000", server.url)
        script = script.replace("$(make session USER_ID=42)", "Cookie: its")
        ended = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ((tmp_path / "outcomes.ndjson").read_text(), ended.returncode == 0) == (kept, fails_at is None), ended.stderr
