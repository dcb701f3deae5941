"""The example receivers of docs/webhooks.md accept our signatures and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from outcomes.events.webhooks import signed, signing_key

from tests.conftest import ROOT

EXAMPLES = ROOT / "docs/examples"
EVENTS = ROOT / "tests/unit/events"
PACKAGES = ROOT / "dashboard/node_modules"
SECRET = "made0up0webhook0secret0of0sixty0four0letters0and0digits0as0aws00"
OTHER = SECRET.swapcase()

OUTCOME = json.loads((EVENTS / "outcome.recorded.json").read_text())


class Running:
    """A running receiver. output: the lines that the receiver prints. The first line is its URL."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        self.output = process.stdout
        self.url = self.output.readline().strip()

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            with urlopen(Request(self.url, body, headers), timeout=10) as answer:  # noqa: S310 - of this machine
                return int(answer.status)
        except HTTPError as refused:
            with refused:
                return refused.code


@pytest.fixture(scope="module", params=["python", "javascript"])
def receiver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if request.param == "python":
        command = [sys.executable, str(EXAMPLES / "receiver.py")]
    else:
        if not (PACKAGES / "standardwebhooks").is_dir() and "CI" not in os.environ:
            pytest.skip("standardwebhooks of npm is not installed: make test installs it where there is npm")
        folder: Path = tmp_path_factory.mktemp("javascript")
        shutil.copy(EXAMPLES / "receiver.mjs", folder)
        (folder / "node_modules").symlink_to(PACKAGES)
        command = ["node", str(folder / "receiver.mjs")]
    # Receivers get the secret with the prefix whsec_.
    environment = os.environ | {"WEBHOOK_SECRET": f"whsec_{SECRET}", "PORT": "0"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        yield Running(process)
        process.terminate()


def signing(body: bytes, *secrets: str, id_: str = "event:1", ago: int = 0) -> dict[str, str]:
    return signed(id_, int(time.time()) - ago, body, [signing_key(secret) for secret in secrets])


@pytest.mark.parametrize("file", sorted(path.name for path in EVENTS.glob("*.json")))
def test_an_event_of_each_type_is_accepted_once(receiver: Running, file: str) -> None:
    text = (EVENTS / file).read_text()
    detail = json.loads(text)
    body = json.dumps(detail, ensure_ascii=False).encode()
    for _ in range(2):
        assert receiver.post(body, signing(body, SECRET, id_=f"{file.replace('.', ':')}")) == 204
    assert receiver.output.readline() == f"{detail['type']} {detail['subject']}\n"


def test_either_signature_of_a_rotation_is_enough_and_a_number_may_be_very_long(receiver: Running) -> None:
    body = b'{"type":"x","subject":"long","data":{"metadata":{"n":%s}}}' % (b"9" * 5000)
    assert receiver.post(body, signing(body, OTHER, SECRET, id_="rotated")) == 204
    assert receiver.output.readline() == "x long\n"


@pytest.mark.parametrize(
    ("change", "secret", "ago"),
    [
        pytest.param({}, OTHER, 0, id="a secret that was rotated away"),
        pytest.param({}, SECRET, 301, id="signed long ago"),
        pytest.param({}, SECRET, -330, id="signed in the future"),
        pytest.param({"webhook-id": "event:2"}, SECRET, 0, id="the id of another"),
        pytest.param({"webhook-timestamp": "soon"}, SECRET, 0, id="no time"),
        pytest.param({"webhook-signature": "nonsense"}, SECRET, 0, id="no signature"),
        pytest.param({"webhook-signature": "v1,nonsense"}, SECRET, 0, id="no Base64"),
        pytest.param({"webhook-signature": ""}, SECRET, 0, id="an empty signature"),
    ],
)
def test_an_invalid_signature_is_refused(receiver: Running, change: dict[str, str], secret: str, ago: int) -> None:
    body = json.dumps(OUTCOME).encode()
    assert receiver.post(body, signing(body, secret, ago=ago) | change) == 401


def test_a_changed_body_is_refused(receiver: Running) -> None:
    body = json.dumps(OUTCOME).encode()
    assert receiver.post(body + b" ", signing(body, SECRET)) == 401
    assert receiver.post(body, {}) == 401


@pytest.mark.parametrize("length", ["-1", "-300001", "+5", "1e3", "", "9" * 5000, None])
def test_an_invalid_length_is_refused_at_once(receiver: Running, length: str | None) -> None:
    url = urlsplit(receiver.url)
    with create_connection((str(url.hostname), url.port or 0), timeout=10) as connection:
        declared = "" if length is None else f"Content-Length: {length}\r\n"
        connection.sendall(f"POST / HTTP/1.1\r\nHost: {url.netloc}\r\n{declared}\r\n".encode())
        assert connection.recv(12)[9:10] == b"4"


def test_a_body_too_large_is_not_read(receiver: Running) -> None:
    body = b" " * 300_001
    assert receiver.post(body, signing(body, SECRET)) == 413
