"""Fixtures shared by the tests of the project and those of its client."""

from hypothesis import settings

pytest_plugins = ["tests.canaries", "tests.local.stacks"]

# How long an example takes depends on what else the machine does, and says nothing about the code.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")
