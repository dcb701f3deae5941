"""Build the tree of a statement's entries, with an index, so that a proof needs to read only few entries again.

The index has two parts for each SUBTREE entries: the first entry's id (16 bytes), and the root of their subtree (32
bytes). The tree of these roots has the same root as the tree of all entries, because SUBTREE is a power of two.

A large index is itself divided into groups of GROUP subtrees, or a larger power of two, so that a proof reads one group
and the index of the groups, which has the same two parts for each group.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from outcomes.ledger import ulid
from outcomes.statements.format import MerkleTree

SUBTREE = 128
"""Number of entries that are read again to prove one of them. Their size is at most 17 MB, if all of them amend
metadata."""

GROUP = 128
"""Minimum number of subtrees in a group. A group then has 6 KB. An index of at most so many is not divided."""

_ID_BYTES = 16
_BYTES = _ID_BYTES + 32


class Subtree(NamedTuple):
    """A subtree in the index. first: the id of the subtree's first entry."""

    first: str
    root: bytes


class IndexedTree:
    """A tree to which entries are being added. leaves: the leaves of the last, incomplete subtree."""

    def __init__(self, index: bytes = b"", leaves: Iterable[bytes] = ()) -> None:
        self.index = index
        self.leaves = list(leaves)

    def add(self, id_: str, leaf: bytes) -> None:
        if not self.leaves:
            self.index += ulid.number(id_).to_bytes(_ID_BYTES)
        self.leaves.append(leaf)
        if len(self.leaves) == SUBTREE:
            self._close()

    def finish(self) -> bytes:
        """Complete the index. Return the root."""
        if self.leaves:
            self._close()
        return root_of(subtree.root for subtree in subtrees(self.index))

    def _close(self) -> None:
        self.index += root_of(self.leaves)
        self.leaves = []


def subtrees(index: bytes) -> list[Subtree]:
    """Parse a complete index, or the index of its groups."""
    parts = [index[at : at + _BYTES] for at in range(0, len(index), _BYTES)]
    return [Subtree(ulid.from_number(int.from_bytes(part[:_ID_BYTES])), part[_ID_BYTES:]) for part in parts]


def by_subtree(index: list[Subtree], ids: Iterable[str]) -> list[tuple[int, set[str]]]:
    """Return the places of the subtrees that contain these entries, each with the ids of its entries."""
    firsts = [subtree.first for subtree in index]
    found: defaultdict[int, set[str]] = defaultdict(set)
    for each in ids:
        found[bisect(firsts, each) - 1].add(each)
    return sorted(found.items())


def grouped(index: bytes, most: int) -> tuple[int, bytes, list[bytes]]:
    """Divide a complete index into at most this many groups.

    Return the number of subtrees in each group, the index of the groups, and the groups. Without groups, the number is
    1, because the index is then that of groups of one subtree each.
    """
    if len(index) <= GROUP * _BYTES:
        return 1, index, []
    size = GROUP
    while size * most * _BYTES < len(index):
        size *= 2
    groups = [index[at : at + size * _BYTES] for at in range(0, len(index), size * _BYTES)]
    roots = [group[:_ID_BYTES] + root_of(subtree.root for subtree in subtrees(group)) for group in groups]
    return size, b"".join(roots), groups


def root_of(leaves: Iterable[bytes]) -> bytes:
    tree = MerkleTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()
