"""Evaluate the watches and digests of users, each time that the schedule says so."""

import os
import time
from typing import Any

from outcomes.edge.observability import logger
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.watches.clock import Overtaken, Run
from outcomes.watches.figures import Figures

RUN_SECONDS = 840.0  # the last user may take another half minute of the function's timeout

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
totals = Totals(store, os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"])
# The variables of costs and definitions are empty if these are off.
figures = Figures(totals, os.environ["COSTS_TABLE"], os.environ["DEFINITIONS_TABLE"])
WATCHES_TABLE = os.environ["WATCHES_TABLE"]


class UsersFailed(Exception):
    """Some users could not be evaluated. All others were."""


def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Evaluate the next users. Raises UsersFailed at the end, so that the function's errors show it."""
    run = Run(WATCHES_TABLE, figures)
    try:
        run.go(time.monotonic() + RUN_SECONDS)
    except Overtaken:
        logger().warning("Another run goes on from where this one was")
    for error in run.failed:
        # The text of an error may quote a row.
        logger().error("Could not evaluate a user's watches", extra={"cause": type(error).__name__})
    if run.failed:
        raise UsersFailed(f"{len(run.failed)} of {run.users} users")
    return {"users": run.users}
