"""Fixtures shared by the tests of the project and those of its client."""

import gc
import os
import ssl
from collections.abc import Iterator
from functools import cache

import httpx
import pytest
from hypothesis import settings

pytest_plugins = ["tests.canaries", "tests.local.stacks"]

# Reading some thousand tests leaves little to collect, and looking for it would take a sixth of the time.
gc.disable()

# How long an example takes depends on what else the machine does, and says nothing about the code.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


@pytest.fixture(scope="session", autouse=True)
def certificates_read_once() -> Iterator[None]:
    """Read the certificates of authorities once, and each file of them.

    httpx would for each client, and no test with httpx comes to TLS. Our caller of AWS does for each connection, and
    changes nothing of what it has read.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        patched.setattr("ssl.create_default_context", cache(ssl.create_default_context))
        yield


def pytest_xdist_auto_num_workers() -> int:
    """Run three processes on two processors: tests that drive a browser or another process wait half of their time."""
    return max(2, (os.process_cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that no process has one left when the others are done."""
    items.sort(key=lambda item: "sequences" not in item.path.parts and "schemathesis" not in item.name)


def pytest_collection_finish() -> None:
    """Collect from now on, but without a look at the tests themselves."""
    gc.freeze()
    gc.enable()
