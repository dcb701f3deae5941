"""Decide what a watch tells, from its stored states and its present figures.

The states of a watch's periods, of which at most two are open, oldest first:

    [{"period":"2026-12","closed":true,"thresholds":{"50":{"state":"over","n":1,"told":{...}}}}]

thresholds: by percent. n: how often this threshold was told in this period. told: the data of the last telling that the
rest of the row does not say; absent if n is 0. closed: present if something was told when the period closed.

`unreviewed` and `silence` have one period, the local month of the last telling, and one threshold, `1`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from outcomes.calendar import instants
from outcomes.contract.events import WATCH_EXCEEDED, WATCH_MISSED, WATCH_REACHED, WATCH_SILENT, WATCH_UNDONE
from outcomes.contract.sums import EXACT
from outcomes.watches import periods
from outcomes.watches.figures import LASTING, Figure
from outcomes.watches.periods import LocalPeriod
from outcomes.watches.stored_watches import Watch

type States = list[dict[str, Any]]
type _Threshold = dict[str, Any]

MOST_TELLINGS = 3  # of a threshold in a period

OVER, UNDER = "over", "under"
_HOUR = instants.DAY // 24
_CLOSES_AFTER = {"value": 2 * _HOUR, "counted": 2 * _HOUR, "cost": 3 * instants.DAY}
"""Milliseconds after a period's end until it closes: costs of a day are often put days later."""

_TELLS = {
    "value": WATCH_REACHED,
    "counted": WATCH_REACHED,
    "cost": WATCH_EXCEEDED,
    "unreviewed": WATCH_EXCEEDED,
    "silence": WATCH_SILENT,
}
_ONLY = "1"  # the threshold of watches without shares
_UNTOLD: _Threshold = {"state": UNDER, "n": Decimal(0)}


def periods_of(watch: Watch, now: int) -> list[LocalPeriod]:
    """Return the periods whose figures an evaluation needs, oldest first, the one that contains `now` last.

    If the stored states have a later period, this clock or an earlier one is wrong. Then return nothing.
    """
    current = periods.containing(now, watch.every or "month", watch.timezone)
    if not watch.every:
        return [current]
    if watch.states and watch.states[-1]["period"] > current.name:
        return []
    before = [each["period"] for each in watch.states if not each.get("closed") and each["period"] != current.name]
    return [*(periods.named(name, watch.timezone) for name in before), current]


def evaluate(watch: Watch, figures: Mapping[str, Figure], now: int) -> States | None:
    """Return a watch's new states, or None if nothing changed. figures: of `periods_of`, by the names of the periods.

    A period without a known figure stays as it is. It begins with its first known figure, and not after its end.
    """
    needed = periods_of(watch, now)
    after: States = []
    for period in needed:
        figure = figures[period.name]
        if not watch.every:
            after += _of_month(watch, period, figure, now)
            continue
        found = next((each for each in watch.states if each["period"] == period.name), None)
        is_closed = now >= period.until + _CLOSES_AFTER[watch.measure]
        if figure.value is None:
            may_become_known = figure.status not in LASTING
            after += [found] if found and (may_become_known or not is_closed) else []
        else:
            before = found["thresholds"] if found else {}
            crossed = _crossed(watch, {str(each): before.get(str(each), _UNTOLD) for each in watch.at}, figure)
            told = _told(watch, crossed, before, period, figure, now)
            if is_closed:
                after += _closed(watch, period, before, told, figure, now)
            else:
                after.append({"period": period.name, "thresholds": told})
    return after if needed and after != [each for each in watch.states if not each.get("closed")] else None


def _of_month(watch: Watch, month: LocalPeriod, figure: Figure, now: int) -> States:
    """Return the states of a watch without shares. It begins to count its tellings anew in each month that has one."""
    if figure.value is None:
        return watch.states
    [found] = watch.states or [{"period": month.name, "thresholds": {_ONLY: _UNTOLD}}]
    crossed = _crossed(watch, found["thresholds"], figure)
    thresholds = found["thresholds"]
    if month.name > found["period"]:
        crossed = {_ONLY: crossed[_ONLY] | {"n": Decimal(0)}}
    told = _told(watch, crossed, thresholds, month, figure, now)
    if told[_ONLY]["n"] == crossed[_ONLY]["n"]:  # nothing is told, so the period and its number stay
        same = thresholds[_ONLY] | {"state": told[_ONLY]["state"]}
        return [{"period": found["period"], "thresholds": {_ONLY: same}}]
    return [{"period": max(month.name, found["period"]), "thresholds": told}]


def _crossed(watch: Watch, thresholds: Mapping[str, _Threshold], figure: Figure) -> dict[str, _Threshold]:
    """Return the thresholds with their new states."""
    return {
        percent: each | {"state": _state(watch, percent, figure, each["state"])} for percent, each in thresholds.items()
    }


def _state(watch: Watch, percent: str, figure: Figure, before: str) -> str:
    """Say on which side of its line a figure is. To be under again, it must fall to 0 or 1 % of the target below."""
    value, line = figure.value or Decimal(0), watch.target
    if watch.every:
        line = EXACT.multiply(line, Decimal(percent).scaleb(-2))
    if value > line or (value == line and watch.measure not in {"cost", "unreviewed"}):
        return OVER
    margin = Decimal(0) if watch.measure == "silence" else watch.target.scaleb(-2)
    return UNDER if value < EXACT.subtract(line, margin) or value <= 0 else before


def _told(
    watch: Watch,
    crossed: Mapping[str, _Threshold],
    before: Mapping[str, _Threshold],
    period: LocalPeriod,
    figure: Figure,
    now: int,
) -> dict[str, _Threshold]:
    """Return the thresholds with what is told now: the highest that is newly over its line, and the lowest under it.

    What was told MOST_TELLINGS times does not silence the others. Of a new watch, what it finds over the line is told
    as `already`.
    """
    thresholds = dict(crossed)
    changed = [percent for percent in crossed if crossed[percent]["state"] != before.get(percent, _UNTOLD)["state"]]
    tells = {UNDER: WATCH_UNDONE, OVER: _TELLS[watch.measure]}
    for state, choose in ((UNDER, min), (OVER, max)):
        those = [each for each in changed if crossed[each]["state"] == state and crossed[each]["n"] < MOST_TELLINGS]
        if those and not (state == UNDER and watch.measure == "silence"):
            percent = choose(those, key=int)
            thresholds[percent] = _telling(watch, crossed[percent], tells[state], period, figure, now)
    return thresholds


def _telling(
    watch: Watch, threshold: _Threshold, type_: str, period: LocalPeriod, figure: Figure, now: int
) -> _Threshold:
    parts = {
        name: value for name in ("counted", "waiting", "estimated_usd") if (value := getattr(figure, name)) is not None
    }
    told = {
        "type": type_,
        "at": instants.text(now),
        "figure": figure.value,
        **parts,
        "already": not watch.states,
        "from": instants.text(period.since),
        "to": instants.text(period.until),
        "recorded_until": figure.recorded_until,
    }
    return threshold | {"n": threshold["n"] + 1, "told": told}


def _closed(
    watch: Watch,
    period: LocalPeriod,
    before: Mapping[str, _Threshold],
    told: Mapping[str, _Threshold],
    figure: Figure,
    now: int,
) -> States:
    """Return the state of a period that closes, which stays only if it tells something. told: what an open one tells.

    The last word about a target that was missed takes the place of what else would be told.
    """
    whole = before.get("100", _UNTOLD)
    state = _state(watch, "100", figure, UNDER)  # the last word is about the target itself, without the margin
    if watch.measure != "cost" and state == UNDER:
        told = {**before, "100": _telling(watch, whole | {"state": state}, WATCH_MISSED, period, figure, now)}
    elif all(told[percent]["n"] == before.get(percent, _UNTOLD)["n"] for percent in told):
        return []
    return [{"period": period.name, "closed": True, "thresholds": told}]
