"""`make key`: print a new bearer key and its fingerprint. A deployment recognizes the key by the fingerprint."""

import sys
from secrets import token_urlsafe

from outcomes.auth.keys import fingerprint

from ops.command import exit_code, positional


def main() -> int:
    """Print the key, and return the exit code of the process."""
    return exit_code(print_key)


def print_key() -> None:
    positional()
    key = f"ok_{token_urlsafe(32)}"
    print(f"Key          {key}")
    print(f"Fingerprint  {fingerprint(key)}")
    print()
    print("The key is stored nowhere: give it to the API's callers. `make deploy` asks for the fingerprint.")


if __name__ == "__main__":
    sys.exit(main())
