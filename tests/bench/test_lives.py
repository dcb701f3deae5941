"""Test how the bench measures a new process of a function: CPU and wall time until the first event and its answer."""

import os
import ssl
import sys
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import botocore
import pytest

from bench.measure import stub
from bench.runtime_api import life

# A minimal Lambda runtime: get an event, answer it, repeat.
ECHO = """
import os
from urllib.request import Request, urlopen
url = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urlopen(f"{url}/next") as event:
        said, path = event.read(), event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    urlopen(Request(f"{url}/{path}", said)).close()
"""


def test_a_process_is_measured_until_its_answer() -> None:
    taken, answer = life([sys.executable, "-c", ECHO], dict(os.environ), {"said": "1"})
    assert answer == {"said": "1"}
    assert (taken.cpu > 0, taken.wall > 0) == (True, True)


def test_a_process_that_reports_an_error_is_a_failure() -> None:
    with pytest.raises(RuntimeError, match=r"the measured process failed: \{\}"):
        life([sys.executable, "-c", ECHO.replace("/response", "/error")], dict(os.environ), {})


def test_the_stubs_certificate_is_trusted_by_the_benchs_authorities() -> None:
    with stub(trusted=Path(botocore.__file__).with_name("cacert.pem")) as running:
        trusting = ssl.create_default_context(cafile=running.tls_variables["AWS_CA_BUNDLE"])
        assert len(trusting.get_ca_certs()) > 100
        connection = HTTPSConnection(
            urlsplit(running.tls_variables["AWS_ENDPOINT_URL_DYNAMODB"]).netloc, context=trusting
        )
        connection.request("POST", "/", b"{}", {"X-Amz-Target": "DynamoDB_20120810.PutItem"})
        assert connection.getresponse().read() == b"{}"
        connection.close()
