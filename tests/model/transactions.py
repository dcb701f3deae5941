"""Transactions whose answers may be lost: each takes effect once, at once or later, or never.

Decisions 115 and 132 describe assignments; `ledger.corrections` writes both.
"""

from collections import namedtuple
from typing import Any

from tests.model.explore import ENDED, NOTHING, Model, Steps, law

ATTEMPTS = 2
Sent = namedtuple("Sent", "made version")  # a transaction on its way: what it makes of which version of the outcome


class Transactions(Model):
    begin = ("read", NOTHING, NOTHING)  # what it has sent, and the versions of attempts in doubt

    def network(self, state: Any, doing: Any) -> Steps:
        for sent in state.sent:
            gone = state._replace(sent=state.sent - {sent})
            yield f"loses {sent.made}", gone, doing
            for applied in self._applied(gone, sent):
                yield f"brings {sent.made} late", applied, doing

    def _applied(self, state: Any, sent: Sent) -> list[Any]:
        """Return the state after a transaction, or nothing if DynamoDB cancels it."""
        raise NotImplementedError

    def _send(self, state: Any, sent: Sent, tried: frozenset[str], doubtful: frozenset[int]) -> Steps:
        again = tried | {sent.made}
        yield "gets no answer", state._replace(sent=state.sent | {sent}), ("read", again, doubtful | {sent.version})
        applied = self._applied(state, sent)
        for after in applied:
            yield "stores", after, ENDED
        if not applied:
            yield "is cancelled", state, ("read", again, doubtful)


# made: the corrections stored, in order; the outcome's version is their number. key_row: as `made` and version.
Corrected = namedtuple("Corrected", "made key_row sent")


class Corrections(Transactions):
    """Corrections of one outcome. Requests are named "k.0" and "k.1" if they have a key, the second repeats the first.

    A request reads the outcome, then the row of its key, then sends one transaction: the correction's entry, the
    outcome if it has the version that was read, and the row if there is none. After a lost answer or a conflict, it
    reads again.
    """

    start = Corrected((), None, NOTHING)

    def _applied(self, state: Corrected, sent: Sent) -> list[Corrected]:
        name = sent.made.partition(".")[0]
        is_as_read = sent.version == len(state.made)
        if not is_as_read and self.has("the condition on the version"):
            return []
        law(is_as_read, f"{sent.made} does not begin with the outcome that the one before it left")
        if name == "k" and state.key_row and self.has("the condition on the key's row"):
            return []
        made = (*state.made, sent.made)
        law(sum(each.startswith(f"{name}.") for each in made) == 1, f"{sent.made} is stored twice")
        is_row = name == "k" and self.has("the key's row in the transaction")
        return [state._replace(made=made, key_row=(sent.made, sent.version + 1) if is_row else state.key_row)]

    def request(self, state: Corrected, doing: Any, name: str) -> Steps:
        match doing:
            case ("read", tried, doubtful):
                version = len(state.made)
                still = doubtful & {version} if self.has("doubt about attempts") else NOTHING
                early = () if self.has("the outcome before the key's row") else (state.key_row,)
                if tried & {*state.made} and self.has("its own earlier attempts"):
                    yield "finds its own correction", state, ENDED
                else:
                    yield "reads its outcome", state, ("key", tried, still, version, *early)
            case ("key", tried, doubtful, version, *early):
                row = state.key_row
                if early:  # the fault: the row was read first, the outcome only now
                    row, version = early[0], len(state.made)
                if name.startswith("k.") and row:
                    if row[1] <= version or not self.has("the version of a replay"):
                        law(row[0] in state.made[:version], f"{row[0]} is told, with an outcome from before it")
                        yield "replays", state, ENDED
                    else:
                        yield "reads again", state, ("read", tried, doubtful)
                elif len(tried) < ATTEMPTS:
                    yield "is ready", state, ("send", tried, doubtful, version)
                elif doubtful:
                    yield "does not know", state, ENDED
                else:
                    late = {sent.made for sent in state.sent if sent.version == len(state.made)}
                    law(not tried & {*state.made, *late}, "what is said not to be stored is, or still can be")
                    yield "says that nothing is stored", state, ENDED
            case ("send", tried, doubtful, version):
                yield from self._send(state, Sent(f"{name}.{len(tried)}", version), tried, doubtful)


Original = namedtuple("Original", "version copy undone")  # copy: the one that it was assigned as, or ""
# live: what counts. told_nothing: users of whom nothing was assigned, as they were told.
Assigned = namedtuple("Assigned", "original live sent told_nothing")


class Assignment(Transactions):
    """The assignment of an imported outcome that has no user, while its import is undone and repeated.

    One transaction stores a copy for the user and voids the original, if the original has the version that was read.
    The undo of the import voids the original on the same condition and marks it `undone`. The import's next round
    stores the row anew only if it finds this mark.
    """

    start = Assigned(Original(0, "", False), frozenset({"original"}), NOTHING, NOTHING)

    def _counting(self, state: Assigned, live: frozenset[str], **original: Any) -> Assigned:
        law(len(live) <= 1, f"{sorted(live)} count at the same time")
        return state._replace(live=live, original=state.original._replace(**original))

    def _applied(self, state: Assigned, sent: Sent) -> list[Assigned]:
        version = state.original.version
        if sent.version != version and self.has("the condition on the original's version"):
            return []
        law(sent.made.split()[0] not in state.told_nothing, f"{sent.made} is stored, and its user was told of none")
        live = state.live - {"original"} | {sent.made}
        return [self._counting(state, live, version=version + 1, copy=sent.made)]

    def assign(self, state: Assigned, doing: Any, user: str) -> Steps:
        version, copy, undone = state.original
        match doing:
            case ("read", tried, doubtful):
                doubtful &= {version}
                if copy.startswith(user) and self.has("the user of an earlier attempt"):
                    law(copy in state.live, f"{user} is told of {copy}, which is not there")
                    yield "finds its copy", state, ENDED
                elif not copy and not undone and len(tried) < ATTEMPTS:
                    yield "reads the original", state, ("send", tried, doubtful, version)
                elif doubtful and self.has("doubt about attempts"):
                    yield "does not know", state, ENDED
                else:
                    has_copy = any(copy.startswith(user) for copy in state.live)
                    law(not has_copy, f"{user} is told that nothing was assigned, and has a copy")
                    told = state._replace(told_nothing=state.told_nothing | {user})
                    yield "is told that nothing was assigned", told, ENDED
            case ("send", tried, doubtful, version):
                made = f"{user} {len(tried)}"
                if not self.has("one transaction"):
                    yield "stores a copy, and stops", self._counting(state, state.live | {made}), ENDED
                yield from self._send(state, Sent(made, version), tried, doubtful)

    def undo(self, state: Assigned, doing: Any) -> Steps:
        version, copy, undone = state.original
        if doing == self.begin:
            yield "reads the original", state, ENDED if copy or undone else ("void", version)
        elif doing != ENDED:
            if doing[1] == version or not self.has("the undo's condition on the version"):
                live = state.live - {"original"}
                yield "voids it", self._counting(state, live, version=doing[1] + 1, undone=True), ENDED
            else:
                yield "is cancelled", state, self.begin

    def next_round(self, state: Assigned, doing: Any) -> Steps:
        if doing == self.begin:
            is_undone = state.original.undone or (state.original.copy and not self.has("the mark `undone`"))
            yield "reads the original", state, ("put",) if is_undone else ENDED
        elif doing != ENDED:
            yield "stores the row", self._counting(state, state.live | {"next round"}), ENDED
