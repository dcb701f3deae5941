"""`make key`."""

import re

import pytest
from outcomes.auth import keys

from ops import key


def test_the_printed_fingerprint_accepts_the_printed_key_and_each_key_is_new(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["key"])
    keys_printed = set()
    for _ in range(2):
        key.main()
        printed = re.match(r"Key +(ok_[\w-]{43})\nFingerprint +([0-9a-f]{64})\n", capsys.readouterr().out)
        assert printed
        assert keys.is_valid(printed[1], keys.parse_fingerprints(printed[2]))
        keys_printed.add(printed[1])
    assert len(keys_printed) == 2
