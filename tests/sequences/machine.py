"""Provide the base class of state machines that use the template's tables."""

from contextlib import ExitStack
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.conftest import template_tables


class OnTables(RuleBasedStateMachine):
    """A state machine that starts each sequence with empty tables. patches: contexts that end with the sequence."""

    template: Any

    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        self.patches.enter_context(template_tables(self.template))

    def teardown(self) -> None:
        self.patches.close()


def run(machine: type[OnTables], template: Any, *, examples: int, steps: int) -> None:
    """Run `examples` sequences, each with at most `steps` steps."""
    machine.template = template
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=steps))
