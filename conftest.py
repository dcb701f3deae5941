"""Fixtures shared by the tests of the project and those of its client."""

pytest_plugins = ["tests.canaries", "tests.local.stacks"]
