"""Fixtures shared by the tests of the project and those of its client."""

import gc
import os
import ssl
import sys
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import settings

from clients.python import copied_functions

pytest_plugins = ["tests.canaries", "tests.local.stacks"]

# Copy the API's functions into the Python client's fake API, before any module of this fake is imported. Only pytest's
# main process does so.
if "PYTEST_XDIST_WORKER" not in os.environ:
    copied_functions.write()

# Importing thousands of tests creates little garbage, but garbage collection would take a sixth of the import time.
gc.disable()

# Hypothesis must not limit the time of an example, because this time depends on the machine's load.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


@pytest.fixture(scope="session", autouse=True)
def files_read_once() -> Iterator[None]:
    """Read certificates only once, instead of for each httpx client and each connection to AWS.

    Read botocore's descriptions of AWS only once, too, instead of for each session.
    """
    import botocore.loaders  # imported late, because the process that distributes the tests needs neither
    import httpx

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        patched.setattr("ssl.create_default_context", cache(ssl.create_default_context))
        patched.setattr("botocore.session.create_loader", cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def roles() -> Iterator[None]:
    """Evaluate each call of functions and commands against their role."""
    from tests import (
        figures,
        permissions,
    )  # imported late, because the process that distributes the tests needs neither

    permissions.install()
    yield
    if "PERMISSIONS" in os.environ:
        figures.count(**permissions.used())


@pytest.fixture(autouse=True)
def only_valid_requests() -> Iterator[None]:
    """Fail a test that sends a request which DynamoDB or IAM refuses, even if the code goes on after the refusal."""
    yield
    for module, name in ("local.moto_backend", "BROKEN"), ("tests.permissions", "REFUSED"):
        if module in sys.modules:
            refused = getattr(sys.modules[module], name)
            sent = [*refused]
            refused.clear()
            if sent:
                pytest.fail("; ".join(sent))


def pytest_xdist_auto_num_workers() -> int:
    """Run three processes on two processors, because tests with browsers or other processes wait half of their time."""
    return max(2, (os.process_cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the first process begin with the tests in the browser, and the second with the slowest ones.

    xdist gives each process as many tests, in this order. Those in the browser wait half of their time, so the others
    should have work beside them. No process should run a slow test alone at the end.
    """
    turns: list[list[pytest.Item]] = [[], [], []]
    for item in items:
        is_slow = (
            "sequences" in item.path.parts or "schemathesis" in item.name or item.path.name == "test_change_cost.py"
        )
        turns[1 if is_slow else 0 if "dashboard" in item.path.parts else 2].append(item)
    browser, slow, rest = turns
    before = max(0, len(items) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) - len(browser))
    items[:] = [*browser, *rest[:before], *slow, *rest[before:]]


def pytest_collection_finish() -> None:
    """Enable garbage collection again. It ignores the objects that importing the tests has created."""
    gc.freeze()
    gc.set_threshold(50_000)  # Python's own threshold would take 2 % of the tests' time
    gc.enable()
