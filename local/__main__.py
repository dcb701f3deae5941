"""python -m local: run the stack, or do something with the one that runs."""

import argparse
import asyncio
import gc
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local.environment import forget_real_aws
from ops.command import Parser, user_id
from ops.errors import StackError

if TYPE_CHECKING:
    from local.stack import Settings

ROOT = Path(__file__).parent.parent
DEFAULT_PORT = "3000"


def main() -> int:
    """Run one command and return the exit code of the process."""
    # The outcomes package lies where Lambda's layer has it, which is no place that Python looks in by itself.
    sys.path.insert(0, str(ROOT / "layers" / "common"))
    forget_real_aws()
    log_to_stderr()
    try:
        options = parser().parse_args()
        options.command(options)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed; make run installs what is missing", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> Parser:
    """Make the parser of the commands and their options."""
    parser = Parser(prog="python -m local", description="The Docker-free stack.")
    parser.set_defaults(command=serve)
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="what to run")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".local", metavar="FOLDER", help="what outlives the stack is kept there"
    )
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="for the template")
    commands = parser.add_subparsers(title="commands (none: serve until Ctrl-C)", metavar="")

    command = commands.add_parser("session", help="print a Cookie header for the running stack")
    command.add_argument("--user-id", type=user_id, default=42)
    command.add_argument("--kind", choices=["next-auth", "authjs", "stored"], default="next-auth")
    command.set_defaults(command=session)

    command = commands.add_parser("seed", help="put some sixty outcomes of the last thirty days into the running stack")
    command.add_argument("--user-id", type=user_id, default=42)
    command.set_defaults(command=seed)

    command = commands.add_parser("reset", help="forget all that is kept")
    command.set_defaults(command=reset)

    command = commands.add_parser("aws", help="serve DynamoDB and Secrets Manager for sam local start-api")
    command.add_argument("--port", type=port, default=5001)
    command.add_argument("--bind", metavar="ADDRESS", help="where containers come in; docker0's address unless given")
    command.set_defaults(command=aws)
    return parser


def serve(options: argparse.Namespace) -> None:
    """Serve the API, the functions and AWS, until Ctrl-C."""
    from local.data import exclusive
    from local.sockets import listening_socket

    # Before all that is slow to load: whoever waits in vain should not wait long.
    with exclusive(options.data), listening_socket("127.0.0.1", listening_port()) as listener:
        from local.stack import run

        settings = settings_of(options)
        asyncio.run(run(settings, listener))


def aws(options: argparse.Namespace) -> None:
    """Serve only AWS, until Ctrl-C."""
    from local.data import exclusive
    from local.sockets import docker_address

    with exclusive(options.data):
        from local.stack import run_aws

        asyncio.run(run_aws(settings_of(options), options.port, options.bind or docker_address()))


def session(options: argparse.Namespace) -> None:
    """Print a Cookie header, ready to paste behind curl -H."""
    from local.data import STACK
    from local.session_cookies import mint
    from local.state import State

    state = State.read(options.data / STACK)
    minted = mint(options.kind, options.user_id, state.session_secret, int(time.time()))
    if minted.row is not None:
        state.aws.client("dynamodb").put_item(TableName=state.table("SessionsTable"), Item=minted.row)
    print(f"Cookie: {minted.cookie}")


def seed(options: argparse.Namespace) -> None:
    """Record outcomes to look at."""
    import httpx

    from local.data import SEEDED, STACK
    from local.seed import seed as record_outcomes
    from local.session_cookies import mint
    from local.state import State

    state = State.read(options.data / STACK)
    now = time.time_ns() // 1_000_000
    cookie = mint("next-auth", options.user_id, state.session_secret, now // 1000).cookie
    by_key, by_session = {"Authorization": f"Bearer {state.key}"}, {"Cookie": cookie}
    with (
        httpx.Client(base_url=state.url, headers=by_key, timeout=30) as api,
        httpx.Client(base_url=state.url, headers=by_session, timeout=30) as owner,
    ):
        record_outcomes(api, owner, options.user_id, options.data / SEEDED, now)


def reset(options: argparse.Namespace) -> None:
    """Forget the data, the key and the session secret."""
    from local.data import empty

    empty(options.data)
    print(f"{options.data} is empty: make run starts with no outcomes, a new key and a new session secret.")


def settings_of(options: argparse.Namespace) -> "Settings":
    """Put together what the options, the environment and the data folder say, in this order.

    An empty variable counts as none.
    """
    from local.data import kept_secrets
    from local.stack import Settings

    pairs = [text.partition("=") for text in options.parameter]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise StackError(f"--parameter takes NAME=VALUE, not {wrong[0]}")
    kept = kept_secrets(options.data)
    key = os.environ.get("INTERNAL_API_KEY") or kept.key
    if not (key.isascii() and key.isprintable()):
        raise StackError("INTERNAL_API_KEY must be printable ASCII: it travels in a header")
    return Settings(
        key=key,
        session_secret=os.environ.get("SESSION_SECRET") or kept.session_secret,
        aws_secret=os.environ.get("LOCAL_AWS_SECRET") or kept.aws_secret,
        erasure_secret=kept.erasure_secret,
        dashboard_origins=os.environ.get("DASHBOARD_ORIGINS", ""),
        allowed_hosts=frozenset(
            host.strip().lower() for host in os.environ.get("ALLOWED_HOSTS", "").split(",") if host.strip()
        ),
        events_url=events_url(os.environ.get("EVENTS_URL", "")),
        port=listening_port(),
        template=options.template,
        data=options.data,
        parameters={name: value for name, _, value in pairs},
    )


def events_url(text: str) -> str:
    """Check where events are to be posted. Raises StackError when that is no such URL."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # as of its brackets or its port
        is_url = False
    if text and not is_url:
        raise StackError("EVENTS_URL must be a URL such as http://127.0.0.1:8000/events")
    return text


def listening_port() -> int:
    """Read from the environment on which port to serve the API. Raises StackError when it is none."""
    try:
        return port(os.environ.get("PORT") or DEFAULT_PORT)
    except argparse.ArgumentTypeError as error:
        raise StackError(f"PORT {error}") from error


def port(text: str) -> int:
    """Read a port from the command line; 0 takes a free one. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def log_to_stderr() -> None:
    """Have requests and what goes wrong with functions logged; the libraries keep quiet."""
    log = logging.getLogger("local")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)
    log.propagate = False


if __name__ == "__main__":
    # What is loaded stays: looking for garbage in it would take a sixth of the start. A stack that runs looks again.
    gc.disable()
    code = main()
    # Python looks for garbage once more when it ends: a second for each 6,000 outcomes that a stack holds.
    gc.freeze()
    sys.exit(code)
