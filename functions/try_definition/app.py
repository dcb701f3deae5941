"""POST /api/definitions/try: say how much of a period would count by a definition that is not stored."""

import os
from datetime import UTC

from outcomes.calendar import instants
from outcomes.calendar.period import TRIAL_FROM, Period
from outcomes.contract.caller import Caller
from outcomes.contract.definitions import Trial, ignored_trial_fields
from outcomes.definitions.definition_rules import Definition, rules_of
from outcomes.edge.api import Event, Response, endpoint, ignored_header, json_body, ok
from outcomes.errors import Forbidden
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.totals.what_counts import tried

totals = Totals(OutcomeStore(os.environ["OUTCOMES_TABLE"]), os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])


@endpoint(failure="Failed to try a definition", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.session_user is None:  # as for writing a definition
        raise Forbidden
    body = json_body(event)
    new, since, until = Trial.parse(body)
    now = instants.local(instants.now(), UTC)
    # By months, it may have several years.
    period = Period.from_query(since, until, new.timezone, "month", now=now, rule=TRIAL_FROM)
    definition = Definition("", 0, new.dispute_days, rules_of(new.types), "")
    answer = tried(totals, caller.session_user, period, new.timezone, definition)
    return ok(f'{{"by_rule":{answer}}}', ignored_header(ignored_trial_fields(body)))
