"""What the tests of the project and those of its client share."""

pytest_plugins = ["tests.canaries", "tests.local.stacks"]
