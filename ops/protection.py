"""python -m ops.protection ENV: turn on the termination protection of the deployed stack, so that nobody deletes it.

The stack, region and profile are read from samconfig.toml, which `sam deploy` also reads.
"""

import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ops.command import exit_code
from ops.configuration import aws_session, deploy_settings
from ops.errors import StackError, one_line
from ops.stacks import describe_stack

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Turn on termination protection, and return the exit code of the process."""
    [environment] = sys.argv[1:]
    return exit_code(lambda: protect(ROOT / "samconfig.toml", environment))


def protect(samconfig: Path, environment: str) -> None:
    """Turn on a stack's termination protection if it is off, and print that. Raises StackError if AWS refuses."""
    settings = deploy_settings(samconfig, environment)
    name = settings["stack_name"]
    try:
        session = aws_session(settings)
        stack = describe_stack(name, session)
        # A stack in review is one whose first change set was declined.
        if stack.get("EnableTerminationProtection") or stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            return
        session.client("cloudformation").update_termination_protection(StackName=name, EnableTerminationProtection=True)
    except (BotoCoreError, ClientError) as error:
        raise StackError(
            f"{name} was deployed, but its termination protection could not be turned on: {one_line(error)}"
        ) from error
    print(f"Termination protection of {name} is on now: to delete the stack, turn it off first (docs/deploy.md).")


if __name__ == "__main__":
    sys.exit(main())
