"""Clients of moto's AWS account."""

from functools import cache
from typing import Any

from botocore.session import get_session

# Before any client is made: into those that are older moto does not get.
from moto import mock_aws

import local.tables  # noqa: F401 (moto as the local stack has it, whatever tests are run beside these)

__all__ = ["aws_client", "mock_aws"]


@cache
def aws_client(service: str) -> Any:
    """One client for all tests: to make it takes longer than most tests do."""
    return get_session().create_client(service)
