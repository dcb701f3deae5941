"""The loop of docs/export.md writes a whole file or none."""

import re
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

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
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.path.removeprefix("/api/outcomes/export?format=ndjson")
            part, cursor = PARTS[given]
            # curl repeats a call that got a 500 only after a second.
            self.send_response(400 if given == fails_at or self.headers["Cookie"] != "its" else 200)
            if cursor:
                self.send_header("Next-Cursor", cursor)
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_args: object) -> None:
            pass

    [loop] = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "outcomes.ndjson").write_text("of yesterday\n")
    with serving(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        script = loop.replace("http://127.0.0.1:3000", f"http://127.0.0.1:{server.server_port}")
        script = script.replace("$(make session USER_ID=42)", "Cookie: its")
        ended = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ((tmp_path / "outcomes.ndjson").read_text(), ended.returncode == 0) == (kept, fails_at is None), ended.stderr
