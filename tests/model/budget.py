"""The daily limit of an agent key, as environments lease it in `ledger.daily_budget`.

An environment leases records from a row of the key and the day, and takes from its lease what it records on this day,
by its own clock. An update adds to the row within the limit; it takes effect once, at once or later, or never, and its
answer may be lost. What surely was not stored goes back to the lease of its day. An environment may end at any time.
"""

from collections import namedtuple

from tests.model.explore import Model, Steps, law

# leased, recorded: of each day. sent: the days of updates that may still arrive.
State = namedtuple("State", "leased recorded sent")
# today: by its clock. day, held: its lease. taken: the days of what it is recording. calls: those it may make.
Environment = namedtuple("Environment", "today day held taken calls")


def _plus_one(days: tuple[int, int], day: int) -> tuple[int, int]:
    return (days[0], days[1] + 1) if day else (days[0] + 1, days[1])


class Budget(Model):
    LIMIT = 1
    start = State((0, 0), (0, 0), ())
    begin = Environment(0, 0, 0, (), 2)

    def _updates(self, state: State, day: int) -> list[State]:
        """Return the state after an update, or nothing if DynamoDB refuses it."""
        is_refused = state.leased[day] == self.LIMIT and self.has("the update's condition")
        return [] if is_refused else [state._replace(leased=_plus_one(state.leased, day))]

    def network(self, state: State, doing: None) -> Steps:
        for index, day in enumerate(state.sent):
            for updated in self._updates(state, day):
                rest = state.sent[:index] + state.sent[index + 1 :]
                yield f"brings a lease of day {day} late", updated._replace(sent=rest), doing

    def environment(self, state: State, now: Environment) -> Steps:
        yield "ends, and another starts", state, self.begin._replace(today=now.today, calls=now.calls)
        if not now.today:
            yield "sees midnight", state, now._replace(today=1)
        held = now.held if now.day == now.today or not self.has("the day of a lease") else 0
        lease = now._replace(day=now.today, held=held)
        if held and len(now.taken) < 2:
            yield "takes one", state, lease._replace(held=held - 1, taken=(*now.taken, now.today))
        if not held and now.calls:
            called = lease._replace(calls=now.calls - 1)
            grown = called._replace(held=1)
            sent = state._replace(sent=(*sorted((*state.sent, now.today)),))
            yield "gets no answer", sent, called if self.has("a lost answer is a lost lease") else grown
            for updated in self._updates(state, now.today):
                yield "leases one", updated, grown
        if now.taken:
            day, done = now.taken[0], now._replace(taken=now.taken[1:])
            stored = state._replace(recorded=_plus_one(state.recorded, day))
            law(stored.recorded[day] <= self.LIMIT, "more than the limit are recorded on a day")
            yield "records", stored, done
            if now.day == day or not self.has("the day of what goes back"):
                back = done._replace(held=done.held + 1)
                yield "surely does not record", state, back
                if not self.has("doubt whether it is stored"):
                    yield "records, and gets no answer", stored, back
            else:
                yield "surely does not record", state, done
