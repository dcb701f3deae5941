"""Our decryption of session cookies accepts and refuses the same tokens as joserfc."""

import json
import random
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey
from outcomes.auth.encrypted_cookies import AUTHJS, NEXT_AUTH, EncryptedCookie, decrypt, encryption_key, is_token_of
from outcomes.auth.tokens import base64url_decoded

SECRET = "made-up-secret"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MUTANTS = 6_000  # for each cookie family

HEADERS: list[dict[str, object]] = [
    {"typ": "JWT"},
    {"kid": "k"},
    {"cty": "JWT"},
    {"kid": 7},
    {"kid": None},
    {"typ": ["JWT"]},
    {"kid": "k" * 2000},
    {"foo": "bar"},
    {"zip": "DEF"},
    {"crit": ["exp"]},
    {"enc": "A128GCM"},
    {"alg": "A256KW"},
]


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def token_of(family: EncryptedCookie, key: bytes, chance: random.Random, **changed_header: object) -> str:
    """Encrypt a token with joserfc's cipher. The header may also be one that joserfc would refuse."""
    header = base64url(json.dumps({"alg": "dir", "enc": family.encryption} | changed_header).encode())
    cipher: Any = JWERegistry.algorithms["enc"][family.encryption]
    plaintext, nonce = chance.randbytes(chance.randrange(40)), chance.randbytes(cipher.iv_size // 8)
    ciphertext, tag = cipher.encrypt(plaintext, key, nonce, header.encode())
    return f"{header}..{base64url(nonce)}.{base64url(ciphertext)}.{base64url(tag)}"


def by_joserfc(token: str, key: OctKey, family: EncryptedCookie) -> bytes | None:
    try:
        decrypted = jwe.decrypt_compact(token, key, algorithms=["dir", family.encryption])
    except (JoseError, ValueError):
        return None
    return decrypted.plaintext


def change_a_character(token: str, chance: random.Random) -> str:
    place = chance.randrange(len(token))
    return token[:place] + chance.choice(f"{ALPHABET}+/=. \n\u00e9") + token[place + chance.randrange(2) :]


def change_the_end_of_a_part(token: str, chance: random.Random) -> str:
    """Change only bits that decoding ignores, in the last character of a part."""
    parts = token.split(".")
    number = chance.choice((0, 2, 3, 4))
    parts[number] = parts[number][:-1] + chance.choice(ALPHABET)
    return ".".join(parts)


def cut_a_part(token: str, chance: random.Random) -> str:
    parts = token.split(".")
    number = chance.randrange(5)
    parts[number] = parts[number][: chance.randrange(len(parts[number]) + 1)]
    return ".".join(parts)


def lengthen_a_part(token: str, chance: random.Random) -> str:
    parts = token.split(".")
    number = chance.choice((2, 3, 4))
    parts[number] = base64url(base64url_decoded(parts[number]) + chance.randbytes(chance.randint(1, 3)))
    return ".".join(parts)


def swap_two_parts(token: str, chance: random.Random) -> str:
    parts = token.split(".")
    one, other = chance.sample(range(5), 2)
    parts[one], parts[other] = parts[other], parts[one]
    return ".".join(parts)


def move_bytes_to_the_next_part(token: str, chance: random.Random) -> str:
    """Divide the same bytes between ciphertext and tag at another position."""
    parts = token.split(".")
    number = chance.choice((2, 3))
    both = [base64url_decoded(part) for part in parts[number : number + 2]]
    place = len(both[0]) + chance.randrange(-3, 4)
    whole = b"".join(both)
    parts[number : number + 2] = [base64url(whole[: max(0, place)]), base64url(whole[max(0, place) :])]
    return ".".join(parts)


CHANGES: list[Callable[[str, random.Random], str]] = [
    change_a_character,
    change_the_end_of_a_part,
    cut_a_part,
    lengthen_a_part,
    swap_two_parts,
    move_bytes_to_the_next_part,
]


@pytest.mark.parametrize("family", [NEXT_AUTH, AUTHJS], ids=lambda family: family.encryption)
def test_any_mutant_is_opened_as_joserfc_opens_it_or_refused_by_both(family: EncryptedCookie) -> None:
    chance = random.Random(4711)  # noqa: S311 - the same mutants in each run
    key, other = (OctKey.import_key(encryption_key(family, family.name, secret)) for secret in (SECRET, "another"))
    opened = 0
    for _ in range(MUTANTS):
        token = token_of(family, key.raw_value, chance, **(chance.choice(HEADERS) if chance.random() < 0.2 else {}))
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            token = chance.choice(CHANGES)(token, chance)
        if not is_token_of(family, token):
            continue
        with_key = other if chance.random() < 0.05 else key
        ours = decrypt(token, with_key.raw_value, family.encryption)
        assert ours == by_joserfc(token, with_key, family), token
        opened += ours is not None
    assert opened > MUTANTS / 10


@pytest.mark.parametrize("family", [NEXT_AUTH, AUTHJS], ids=lambda family: family.encryption)
@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_a_header_is_accepted_only_if_joserfc_accepts_it(family: EncryptedCookie, header: dict[str, object]) -> None:
    key = encryption_key(family, family.name, SECRET)
    token = token_of(family, key, random.Random(1), **header)  # noqa: S311 - the same token in each run
    assert is_token_of(family, token) is (by_joserfc(token, OctKey.import_key(key), family) is not None)
