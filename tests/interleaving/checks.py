"""Check the invariants that must hold at the end of any schedule."""

from collections import Counter, defaultdict
from itertools import chain
from typing import Any

from outcomes.aws.services import MAX_AGE
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.events.stream import event_of
from outcomes.ledger.idempotency_keys import REMEMBERED_SECONDS

from functions.export_outcomes import app as export_outcomes
from functions.get_outcome import app as get_outcome
from smoke.model import Choice, added_up, said, shown
from tests.corrections import pages
from tests.entries import corrections_of, id_of, outcomes_equal_their_entries, status_of
from tests.events import proxy_event
from tests.interleaving.callers import NOBODY, OWNER, PERIODS, USER, Callers
from tests.interleaving.seam import MOST_SKEW, Seam
from tests.people import rows_of


class Checks:
    """Compares the tables with the answers that callers got."""

    def __init__(self, callers: Callers, seam: Seam) -> None:
        self.callers = callers
        self.seam = seam
        rows = rows_of(None).get("OutcomesTable", [])
        self.items = {id_of(row): row for row in rows if not row["created_at"]["S"].startswith("~")}
        self.entries = {id_of(row): row for row in rows if row["created_at"]["S"].startswith("~")}
        self.owned = {id_: item for id_, item in self.items.items() if item["user_id"] == {"S": str(USER)}}
        self.owned_entries = {id_: row for id_, row in self.entries.items() if row["user_id"] == {"S": str(USER)}}
        self.listed = _listed(OWNER)

    def all(self) -> None:
        """Check all invariants. Raises AssertionError."""
        outcomes_equal_their_entries(self.items, self.entries)
        self.every_answer_was_true()
        self.assigned_outcomes_are_void_and_name_the_new_one()
        self.lists_histories_and_exports_agree()
        self.summaries_agree()
        self.idempotency_keys_name_stored_entries()
        self.an_erasure_left_nothing()
        self.timestamps_are_close_to_the_time_of_writing()
        self.every_entry_is_an_event_in_order()
        self.the_bus_got_events_in_order()
        self.a_retry_with_a_key_is_a_replay()
        self.revoked_keys_are_refused()

    def every_answer_was_true(self) -> None:
        """Check that each request is stored once if an answer reported success, and not at all if it was refused.

        If neither is known, the request may be stored at most once.
        """
        titles = Counter(item["title"]["S"] for item in self.owned.values())
        reasons = Counter(entry["reason"]["S"] for entry in self.entries.values() if "reason" in entry)
        for sent in self.callers.sent.values():
            there = reasons[sent.name] if sent.is_correction else titles[sent.name]
            if self.callers.erasures and (sent.began_at < self.callers.erasures[-1][1]):
                assert there <= 1, f"{sent.name} is there {there} times"
                continue
            ids = {id_ for id_, _ in sent.stored}
            assert len(ids) <= 1, f"{sent.name} was told to be {ids}"
            if ids:
                assert there == 1, f"{sent.name} was answered and is there {there} times"
                assert ids <= (self.entries if sent.is_correction else self.owned).keys(), f"{sent.name} is not {ids}"
            else:
                assert there <= sent.is_doubtful, f"{sent.name} was refused and is there {there} times"

    def assigned_outcomes_are_void_and_name_the_new_one(self) -> None:
        """Check that each assigned outcome is void and refers to its new outcome. An erasure removes the reference."""
        originals = {id_: item for id_, item in self.items.items() if id_ not in self.owned}
        new = {item["assigned_id"]["S"]: item for item in originals.values() if "assigned_to" in item}
        assert new.keys() <= self.owned.keys(), "assigned, and the new outcome is not there"
        assert all((status_of(item), item["title"]["S"]) == ("void", "") for item in new.values())
        for id_, sent in self.callers.unassigned.items():
            made = [new_id for new_id, item in self.owned.items() if item["title"] == {"S": sent.name}]
            assert made == [new_id for new_id, item in new.items() if item is originals[id_]], f"assigned from {id_}"

    def lists_histories_and_exports_agree(self) -> None:
        assert [each["id"] for each in self.listed] == sorted(self.owned, reverse=True)
        for outcome in self.listed:
            item = self.items[outcome["id"]]
            assert (outcome["version"], outcome["status"]) == (len(corrections_of(item)), status_of(item))
            if outcome["version"]:
                event = proxy_event("GET", "/api/outcomes/{id}", authorizer=OWNER, parameters={"id": outcome["id"]})
                history = json_text.read(get_outcome.handler(event, None)["body"])
                assert history["outcome"] == outcome
                assert [each["id"] for each in history["corrections"]] == corrections_of(item)
        by_occurrence = sorted(self.listed, key=lambda each: (each["occurred_at"], each["id"]), reverse=True)
        assert _listed(OWNER, time="occurred") == by_occurrence, "lists by occurrence"
        event = proxy_event("GET", "/api/outcomes/export", authorizer=OWNER, query={"format": "ndjson"})
        exported = [json_text.read(line) for line in export_outcomes.handler(event, None)["body"].splitlines()]
        expected = [each["id"] for each in shown(self.listed, Choice(), with_void=False)]
        assert [each["id"] for each in exported] == expected

    def summaries_agree(self) -> None:
        looks = [(OWNER, self.listed, period) for period in PERIODS]
        if self.callers.unassigned:  # such a summary reads several partitions, so request only one
            looks.append((NOBODY, _listed(NOBODY), self.callers.random.choice(PERIODS)))
        for by, listed, (since, until) in looks:
            answer = self.callers.summary(since, until, by)
            assert answer.status == 200, answer
            expected = added_up(listed, Choice(since=since, until=until), self.callers.zone)
            assert said(answer.body) == expected, f"the summary from {since}"

    def idempotency_keys_name_stored_entries(self) -> None:
        for row in rows_of(USER).get("IdempotencyTable", []):
            assert id_of(row) in self.items, "a key is remembered of what is not there"
            assert "correction" not in row or row["correction"]["S"] in self.entries

    def an_erasure_left_nothing(self) -> None:
        for began_at, done_at in self.callers.erasures:
            left = {
                each.name
                for each in self.callers.sent.values()
                if each.began_at < began_at and not each.was_stored_after(done_at)
            }
            there = {item["title"]["S"] for item in self.owned.values()} | {
                each["reason"]["S"] for each in self.owned_entries.values()
            }
            assert not left & there, f"erased, and there: {left & there}"
            assert all(
                key.id not in {row["id"]["S"] for row in rows_of(USER).get("KeysTable", [])}
                for key in self.callers.keys
            )

    def timestamps_are_close_to_the_time_of_writing(self) -> None:
        """Check that each write arrived near its timestamp, within the limits that materialized totals depend on."""
        for key, at in self.seam.arrived.items():
            recorded_at = key.removeprefix("~").partition("#")[0]
            late = 0 if recorded_at in self.callers.imported else at - instants.read(recorded_at) / 1000
            assert -MOST_SKEW <= late <= MOST_SKEW + MAX_AGE + 1, f"{key} was written {late:.0f} s later"

    def every_entry_is_an_event_in_order(self) -> None:
        """Check that the stream has an event for each entry, in the order of an outcome's versions."""
        if self.callers.erasures:
            return
        told: defaultdict[str, list[str]] = defaultdict(list)
        for record in self.callers.records():
            if event := event_of(record, self.entries):
                told[event.subject.rpartition("/")[2]].append(event.id)
        expected = {id_: self._events(id_, item) for id_, item in self.items.items()}
        assert told == {id_: events for id_, events in expected.items() if events}, "events of the stream"

    def _events(self, id_: str, item: Any) -> list[str]:
        """Return the ids of an outcome's entries that are events. An import and its undo are none."""
        made = [each for each in corrections_of(item) if "imported" not in self.entries[each]]
        return made if "imported" in item else [id_, *made]

    def the_bus_got_events_in_order(self) -> None:
        """Check that the bus got each outcome's events in order, ignoring duplicates."""
        heard: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for event in self.seam.heard:
            heard[event["subject"].rpartition("/")[2]].setdefault(event["id"])
        for id_, events in heard.items():
            if id_ in self.items:
                in_order = self._events(id_, self.items[id_])
                assert [*events] == in_order[: len(events)], f"what the bus heard of {id_}"

    def a_retry_with_a_key_is_a_replay(self) -> None:
        for sent in self.callers.sent.values():
            is_remembered = self.callers.schedule.now < sent.began_at + REMEMBERED_SECONDS
            if sent.again and is_remembered and not self.callers.erasures:
                there = {
                    id_
                    for id_, row in (self.entries if sent.is_correction else self.items).items()
                    if row.get("reason" if sent.is_correction else "title") == {"S": sent.name}
                }
                if there:
                    answer = sent.again()
                    # The outcome was amended, so that this agent key may not correct it any more.
                    if answer.status == 403:
                        continue
                    assert (answer.status, {answer.body.get("id")}) == (200, there), f"{sent.name} sent again"
                    assert answer.headers.get("Idempotent-Replayed") == "true"

    def revoked_keys_are_refused(self) -> None:
        for key in self.callers.keys:
            self.callers.by_agent_key(key)


def _listed(by: dict[str, Any], **query: str) -> list[Any]:
    return list(chain.from_iterable(pages(by, userId="none", limit="50", include="ledger", **query)))
