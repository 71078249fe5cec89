"""The exchange and the account: judged from one look, which `exchange_ask` has taken."""

from __future__ import annotations

import math
from typing import Any, Final

from aegis.config.environments import ENVIRONMENTS, environment_of
from aegis.doctor.check import Check, Verdict, failed, noted, passed, skipped, warned
from aegis.doctor.exchange_look import Answer, Failure
from aegis.doctor.visit import Visit
from aegis.execution.errors import UnusableSetupError
from aegis.execution.symbols import rules_of_symbols

__all__ = ["CHECKS"]

_FEWEST_DAYS: Final = 7.0
_MOST_NAMED: Final = 5
_ADDRESS_REFUSED: Final = -2015
_MAY_NOT: Final = (
    "enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer",
)  # fmt: skip
_KEY_PAGE: Final = "make another key on the exchange's page for API keys"
_LIMITS: Final = ("REQUEST_WEIGHT", "ORDERS")


def exchange_certificate(visit: Visit) -> Verdict:
    look = visit.look
    if look.absent:
        return skipped(look.absent)
    if not look.certificates:
        if isinstance(look.offset_ms, Failure):
            return failed(f"no handshake: {look.offset_ms.text}", "[venue] ca_file")
        return skipped("every address is a plain one of this box")
    bad = [f"{one.place}: {one.error}" for one in look.certificates if one.error]
    if bad:
        fix = "apt-get install ca-certificates; or [venue] ca_file for an exchange of your own"
        return failed("; ".join(bad), fix)
    first = min(look.certificates, key=lambda one: one.days_left)
    text = f"{len(look.certificates)} verified; the first ends in {first.days_left:.0f} days"
    if first.days_left <= _FEWEST_DAYS:
        return failed(f"{text} ({first.place})", "wait for the exchange's new certificate")
    return passed(text)


def exchange_latency(visit: Visit) -> Verdict:
    look = visit.look
    if look.absent:
        return skipped(look.absent)
    if not look.round_trips_ms:
        return skipped(f"no answer: {_text(look.offset_ms)}")
    trips = sorted(look.round_trips_ms)
    last = trips[min(math.ceil(0.99 * len(trips)), len(trips)) - 1]
    middle = trips[len(trips) // 2]
    return noted(f"p50 {middle:.1f} ms, p99 {last:.1f} ms of {len(trips)} round trips")


def egress_address(visit: Visit) -> Verdict:
    reason = _no_account(visit)
    if reason:
        return skipped(reason)
    look = visit.look
    if isinstance(look.account, Failure) and look.account.code == _ADDRESS_REFUSED:
        fix = "name this box's address at the exchange's page for API keys"
        return failed(f"refused from this address: {look.account.text}", fix)
    if isinstance(look.account, Failure):
        return skipped(f"the account did not answer: {look.account.text}")
    if isinstance(look.restrictions, Failure):
        text = f"answered from this address; the key's list is not told: {look.restrictions.text}"
        return skipped(text)
    if look.restrictions.get("ipRestrict") is not True:
        return failed("the key works from any address", "restrict the key to this box's address")
    return passed("the key is tied to addresses, and answered from this one")


def key_permissions(visit: Visit) -> Verdict:
    reason = _no_account(visit)
    if reason:
        return skipped(reason)
    look = visit.look
    if isinstance(look.restrictions, Failure):
        if look.restrictions.is_left_out:
            return skipped(f"they were not asked for: {look.restrictions.text}")
        if look.restrictions.status == 404 and not _is_the_exchange(visit):
            return skipped(f"this exchange does not tell them: {look.restrictions.text}")
        if not visit.is_live:
            return skipped(f"mode = {visit.mode}: {look.restrictions.text}")
        return failed(f"could not be read: {look.restrictions.text}", _KEY_PAGE)
    told = look.restrictions
    may = [name for name in _MAY_NOT if told.get(name) is not False]
    if may:
        return failed(f"{', '.join(may)}: not switched off", _KEY_PAGE)
    if told.get("enableFutures") is not True:
        return failed("enableFutures: not switched on", _KEY_PAGE)
    return passed("futures; no withdrawal, no transfer")


def _is_the_exchange(visit: Visit) -> bool:
    """Whether the account is where real money is, and not at an exchange of one's own."""
    environment = environment_of(visit.config.venue)
    return environment is not None and environment.rest_url == ENVIRONMENTS["live"].rest_url


def exchange_symbols(visit: Visit) -> Verdict:
    look = visit.look
    if look.absent:
        return skipped(look.absent)
    fix = "[instances.X] symbols"
    if isinstance(look.info, Failure):
        return failed(f"exchangeInfo: {look.info.text}", "the way to the exchange")
    symbols = _symbols(visit)
    if not symbols:
        trading = sum(row.get("status") == "TRADING" for row in look.info.get("symbols", ()))
        return passed(f"{trading} symbols trade; the instance takes them all")
    try:
        rules = rules_of_symbols(look.info, symbols, may_miss=False)
    except UnusableSetupError as error:
        return failed(str(error), fix)
    halted = [rule.symbol for rule in rules if not rule.is_trading]
    if halted:
        return failed(f"not TRADING: {', '.join(halted[:_MOST_NAMED])}", fix)
    return passed(f"{len(rules)} TRADING, their filters are understood")


def exchange_account(visit: Visit) -> Verdict:
    reason = _no_account(visit)
    if reason:
        return skipped(reason)
    look = visit.look
    if look.keys is not None:
        return failed(look.keys.text, "[venue] credentials and fingerprint; aegis check")
    if isinstance(look.account, Failure):
        return failed(look.account.text, "the key, its permissions and its list of addresses")
    account = look.account
    wrong = [
        text if name in account else f"{name} is not told"
        for name, wanted, text in (
            ("dualSidePosition", False, "hedge mode (one-way mode is needed)"),
            ("multiAssetsMargin", False, "multi-assets mode (one is needed)"),
            ("canTrade", True, "may not trade"),
        )
        if account.get(name) is not wanted
    ]
    wrong += _leverage(visit, look.symbol_rows)
    if wrong:
        return failed("; ".join(wrong), "at the exchange, or [instances.X.leverage]")
    return passed("one-way, single-asset, may trade; leverage as the file expects")


def _leverage(visit: Visit, rows: Answer) -> list[str]:
    """Symbols whose leverage is not the one that the file names."""
    wanted: dict[str, int] = {}
    for name in visit.instances:
        wanted.update(visit.config.instances[name].leverage)
    if not wanted:
        return []
    if isinstance(rows, Failure):
        return [f"leverage is not told: {rows.text}"]
    found = {str(row.get("symbol")): row.get("leverage") for row in rows}
    return [
        f"{symbol} has leverage {found.get(symbol, 'none')} and not {leverage}"
        for symbol, leverage in wanted.items()
        if found.get(symbol) != leverage
    ]


def exchange_limits(visit: Visit) -> Verdict:
    look = visit.look
    if look.absent:
        return skipped(look.absent)
    if isinstance(look.info, Failure):
        return failed(f"exchangeInfo: {look.info.text}", "the way to the exchange")
    told: list[dict[str, Any]] = look.info.get("rateLimits", [])
    missing = [kind for kind in _LIMITS if all(row.get("rateLimitType") != kind for row in told)]
    text = ", ".join(
        f"{row.get('rateLimitType')} {row.get('limit')} per {row.get('intervalNum')} "
        f"{str(row.get('interval', '')).lower()}"
        for row in told
    )
    if missing:
        return failed(f"not told: {', '.join(missing)}; told: {text or 'none'}", "aegis record")
    return passed(text)


def exchange_streams(visit: Visit) -> Verdict:
    look = visit.look
    if look.absent:
        return skipped(look.absent)
    if not look.streams:
        return failed("no stream could be asked for", "the way to the exchange")
    bad = [f"{name}: {answer.text}" for name, answer in look.streams.items() if answer is not None]
    if bad:
        return failed("; ".join(bad[:_MOST_NAMED]), "the way to the exchange; [venue] stream_url")
    return passed(f"each spoke: {', '.join(look.streams)}")


def exchange_countdown(visit: Visit) -> Verdict:
    reason = _no_account(visit)
    if reason:
        return skipped(reason)
    answer = visit.look.countdown
    if isinstance(answer, Failure) and answer.is_left_out:
        return skipped(answer.text)
    if isinstance(answer, Failure):
        return failed(answer.text, "the key's permission to trade; [supervisor] countdown_s")
    return passed(f"taken for {answer}")


def exchange_orders(visit: Visit) -> Verdict:
    reason = _no_account(visit)
    if reason:
        return skipped(reason)
    orders = visit.look.orders
    if isinstance(orders, Failure):
        return failed(f"not known: {orders.text}", "the key, and the way to the exchange")
    symbols = set(_symbols(visit))
    takes_all = any(not visit.config.instances[name].symbols for name in visit.instances)
    foreign = [one for one in orders if not one.is_own and (takes_all or one.symbol in symbols)]
    own = sum(one.is_own for one in orders)
    text = f"{len(orders)} rest, {own} of them ours"
    if foreign:
        first = f"{len(foreign)} of others on our symbols, one on {foreign[0].symbol}"
        policy = visit.config.journal.foreign_orders
        if policy == "halt":
            fix = 'cancel them at the exchange, or [journal] foreign_orders = "ignore"'
            return failed(f"{text}; {first}: the start would halt", fix)
        return warned(f'{text}; {first}: foreign_orders = "{policy}"', "")
    return passed(text)


def _symbols(visit: Visit) -> list[str]:
    """The symbols of the instances by name, none of those that take what is listed."""
    return list(
        dict.fromkeys(s for name in visit.instances for s in visit.config.instances[name].symbols)
    )


def _no_account(visit: Visit) -> str:
    """Why there is no account to ask, empty when there is one."""
    return visit.look.absent or visit.look.no_account


def _text(answer: Answer) -> str:
    return answer.text if isinstance(answer, Failure) else ""


CHECKS: Final = (
    Check(
        "32", "exchange_certificate", "fail", "a TLS handshake with every address",
        f"verified, more than {_FEWEST_DAYS:.0f} days left", "somebody else could answer",
        exchange_certificate,
    ),
    Check(
        "34", "exchange_latency", "info", "round trips of /fapi/v1/time", "few milliseconds",
        "the region decides more than the box", exchange_latency,
    ),
    Check(
        "35", "egress_address", "fail", "a signed question; ipRestrict of apiRestrictions",
        "the key is tied to this box's address", "a stolen key works from anywhere",
        egress_address,
    ),
    Check(
        "40", "key_permissions", "fail", "/sapi/v1/account/apiRestrictions",
        "futures; no withdrawal, no transfer", "a stolen key empties the account",
        key_permissions,
    ),
    Check(
        "50.1", "exchange_symbols", "fail", "/fapi/v1/exchangeInfo",
        "every symbol TRADING, its filters understood", "orders would be refused",
        exchange_symbols,
    ),
    Check(
        "50.2", "exchange_account", "fail", "/fapi/v1/accountConfig, /fapi/v1/symbolConfig",
        "one-way, single-asset, may trade, leverage as configured",
        "sizes and margins rest on it", exchange_account,
    ),
    Check(
        "50.3", "exchange_limits", "fail", "rateLimits of /fapi/v1/exchangeInfo",
        "request weight and orders are told", "what is not counted ends in a ban",
        exchange_limits,
    ),
    Check(
        "50.4", "exchange_streams", "fail",
        "the first message of each market stream, private stream, order line", "each speaks",
        "a stream that is silent at the start stays it", exchange_streams,
    ),
    Check(
        "50.5", "exchange_countdown", "fail",
        "/fapi/v1/countdownCancelAll of 0 where nothing rests", "taken",
        "nobody else cancels when this box is gone", exchange_countdown,
    ),
    Check(
        "50.6", "exchange_orders", "fail", "/fapi/v1/openOrders, /fapi/v1/openAlgoOrders",
        "known, and none of others on our symbols", "others' orders halt the start",
        exchange_orders,
    ),
)  # fmt: skip
