"""`make key`: print a new bearer key and its fingerprint. A deployment recognizes the key by the fingerprint."""

from secrets import token_urlsafe

from outcomes.auth.keys import fingerprint


def main() -> None:
    key = f"ok_{token_urlsafe(32)}"
    print(f"Key          {key}")
    print(f"Fingerprint  {fingerprint(key)}")
    print()
    print("The key is stored nowhere: give it to the API's callers. `make deploy` asks for the fingerprint.")


if __name__ == "__main__":
    main()
