"""What the tables must be to each other and to this box: cores, sharing, spinning, priorities.

Each rule is one function over the checked tables that yields findings: ``PROBLEM_RULES`` refuse the
file, ``WARNING_RULES`` are told and let pass. A rule must skip a value that its own table has
already complained about, and must never read the machine: the cores come in as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from aegis.config.cores import BoxCores, format_core_list
from aegis.config.doctor import CHECKS, DoctorConfig
from aegis.config.errors import ABSENT
from aegis.config.models import (
    CoresConfig,
    FeedConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.schema import Checked, Finding, Location, nearest_name

HOT_PROCESSES: Final = ("feed", "brain", "execution")
SHOWN_NAMES: Final = 8


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that a rule may look at."""

    hardware: Checked[HardwareConfig]
    supervisor: Checked[SupervisorConfig]
    venue: Checked[VenueConfig]
    instances: dict[str, Checked[InstanceConfig]]
    box: BoxCores
    feed: Checked[FeedConfig]
    journal: Checked[JournalConfig]
    doctor: Checked[DoctorConfig]


@dataclass(frozen=True, slots=True)
class Seat:
    """One process of one instance on its core."""

    instance: str
    process: str
    core: int
    location: Location

    def __str__(self) -> str:
        return f"{self.instance}.{self.process}"


def _core_tables(tables: Tables) -> Iterator[tuple[Location, dict[str, int]]]:
    """Every cores table with the processes whose core the file really gives."""
    hardware = tables.hardware
    if hardware.model is not None:
        yield ("hardware", "cores"), _given_cores(hardware, hardware.model.cores)
    for name, checked in tables.instances.items():
        if checked.model is not None and checked.model.cores is not None:
            yield ("instances", name, "cores"), _given_cores(checked, checked.model.cores)


def _given_cores(
    checked: Checked[HardwareConfig] | Checked[InstanceConfig], cores: CoresConfig
) -> dict[str, int]:
    by_process = cores.by_process().items()
    return {name: core for name, core in by_process if checked.good("cores", name) is not None}


def _seats(tables: Tables) -> list[Seat]:
    """Every process with the core that it will be pinned to, instances in the file's order."""
    by_location = dict(_core_tables(tables))
    seats: list[Seat] = []
    for name, checked in tables.instances.items():
        own = checked.model is None or checked.model.cores is not None
        location: Location = ("instances", name, "cores") if own else ("hardware", "cores")
        seats.extend(
            Seat(name, process, core, (*location, process))
            for process, core in by_location.get(location, {}).items()
        )
    return seats


def _shared(seats: list[Seat]) -> dict[int, list[Seat]]:
    by_core: dict[int, list[Seat]] = {}
    for seat in seats:
        by_core.setdefault(seat.core, []).append(seat)
    return {core: users for core, users in sorted(by_core.items()) if len(users) > 1}


def cores_exist(tables: Tables) -> Iterator[Finding]:
    """Every core asked for is online and permitted."""
    usable = f"usable: {format_core_list(tables.box.usable)}"
    for location, cores in _core_tables(tables):
        for process, core in cores.items():
            if core in tables.box.usable:
                continue
            online = core in tables.box.online
            message = "core is forbidden by the cpuset" if online else "core is not online"
            hint = f"online: {format_core_list(tables.box.online)}; {usable}"
            yield Finding((*location, process), core, message, hint)
    hardware = tables.hardware.good("isolcpus")
    for index, core in enumerate(hardware.isolcpus if hardware is not None else ()):
        if core not in tables.box.online:
            hint = f"online: {format_core_list(tables.box.online)}"
            yield Finding(("hardware", "isolcpus", index), core, "core is not online", hint)


def cores_are_apart(tables: Tables) -> Iterator[Finding]:
    """With ``share_cores = false`` no two processes of the whole file meet on a core."""
    hardware = tables.hardware.good("share_cores")
    if hardware is None or hardware.share_cores:
        return
    for core, users in _shared(_seats(tables)).items():
        who = ", ".join(str(user) for user in users)
        hint = "move one of them, give each instance its own cores, or set share_cores = true"
        message = f"core {core} is given to {who} while share_cores = false"
        yield Finding(users[-1].location, core, message, hint)


def spinners_are_alone(tables: Tables) -> Iterator[Finding]:
    """A spinning process never yields, so whoever shares its core starves."""
    hardware = tables.hardware.good("wait")
    if hardware is None or hardware.wait != "spin":
        return
    for core, users in _shared(_seats(tables)).items():
        who = ", ".join(str(user) for user in users)
        message = f"spinning needs a core each, but {who} share core {core}"
        yield Finding(("hardware", "wait"), "spin", message, 'on shared cores: wait = "park"')


def priority_fits_scheduler(tables: Tables) -> Iterator[Finding]:
    """SCHED_OTHER has no real-time priority, SCHED_FIFO and SCHED_RR need one of 1 to 99."""
    hardware = tables.hardware.good("priority")
    if hardware is None or tables.hardware.good("scheduler") is None:
        return
    low, high = (0, 0) if hardware.scheduler == "other" else (1, 99)
    if not low <= hardware.priority <= high:
        allowed = "0" if high == 0 else f"{low} to {high}"
        message = f'does not fit scheduler = "{hardware.scheduler}"'
        yield Finding(("hardware", "priority"), hardware.priority, message, f"allowed: {allowed}")


def gc_times_are_ordered(tables: Tables) -> Iterator[Finding]:
    """A forced collection comes later than an idle one."""
    hardware = tables.hardware.good("gc_force_ms")
    if hardware is None or tables.hardware.good("gc_interval_ms") is None:
        return
    if hardware.gc_force_ms < hardware.gc_interval_ms:
        message = f"is shorter than gc_interval_ms = {hardware.gc_interval_ms}"
        hint = f"allowed: >= {hardware.gc_interval_ms}"
        yield Finding(("hardware", "gc_force_ms"), hardware.gc_force_ms, message, hint)


def venue_lists_symbols(tables: Tables) -> Iterator[Finding]:
    """The embedded exchange can only trade what it lists."""
    venue = tables.venue.good("symbols")
    if venue is None or not _is_embedded(tables):
        return
    listed = [*venue.symbols]
    for name, checked in tables.instances.items():
        instance = checked.good("symbols")
        for index, symbol in enumerate(instance.symbols if instance is not None else ()):
            if symbol in venue.symbols:
                continue
            close = nearest_name(symbol.lower(), {other.lower(): other for other in listed})
            hint = f"did you mean {close.upper()}? " if close else ""
            hint += f"listed: {_some(listed)}; others need [venue.symbols.{symbol}]"
            location: Location = ("instances", name, "symbols", index)
            yield Finding(location, symbol, "is not listed by the embedded venue", hint)


def rows_hold_the_venue(tables: Tables) -> Iterator[Finding]:
    """An instance that takes all symbols has a row for every one of them."""
    venue = tables.venue.good("symbols")
    for name, checked in tables.instances.items():
        instance = checked.good("max_symbols")
        if venue is None or instance is None or not instance.takes_all:
            continue
        if not _is_embedded(tables):
            continue
        if checked.good("symbols") is not None and instance.rows < len(venue.symbols):
            message = f"is less than the {len(venue.symbols)} symbols that the venue lists"
            key: Location = ("instances", name, "max_symbols")
            yield Finding(key, instance.rows, message, "the rest is not followed")


def _is_embedded(tables: Tables) -> bool:
    venue = tables.venue.good("mode")
    return venue is not None and venue.mode == "embedded"


def endpoints_are_used(tables: Tables) -> Iterator[Finding]:
    """Addresses and keys of an exchange say nothing while the embedded one is traded on."""
    if not _is_embedded(tables):
        return
    for table, model, keys in (
        ("venue", tables.venue.model, ("rest_url", "stream_url", "order_url", "ca_file")),
        ("venue", tables.venue.model, ("credentials", "fingerprint")),
        ("feed", tables.feed.model, ("rest_url", "stream_url", "proxy", "ca_file")),
    ):
        for key in keys:
            value = getattr(model, key, None)
            if value is not None:
                message = 'is not used: venue.mode = "embedded" has its own address and keys'
                yield Finding((table, key), value, message)


def _is_paper(tables: Tables) -> bool:
    venue = tables.venue.good("mode")
    return venue is not None and venue.mode == "paper"


def paper_is_paper(tables: Tables) -> Iterator[Finding]:
    """On paper no key is read and no order leaves: what would name either was meant otherwise."""
    venue = tables.venue.model
    if venue is None or not _is_paper(tables):
        return
    for key in ("credentials", "fingerprint", "order_url"):
        value = getattr(venue, key)
        if value is not None:
            message = 'has no place in mode = "paper": no key is read, no order leaves this machine'
            yield Finding(("venue", key), value, message, "leave it out")
    if venue.armed:
        message = 'has no place in mode = "paper", which moves no money'
        yield Finding(("venue", "armed"), True, message, "leave it out")
    for key in ("rest_url", "stream_url", "ca_file"):
        value = getattr(venue, key)
        if value is not None:
            message = 'has no place in mode = "paper": orders stay on this machine'
            yield Finding(("venue", key), value, message, f"market data: {key} under [feed]")
    for symbol in venue.own_symbols() if tables.venue.good("symbols") is not None else ():
        message = 'has no place in mode = "paper": contracts are as the live exchange lists them'
        yield Finding(("venue", "symbols", symbol), ABSENT, message, "leave it out")


def keys_are_named(tables: Tables) -> Iterator[Finding]:
    """Every exchange but our own wants to know who trades there."""
    venue = tables.venue.good("credentials")
    if venue is None or tables.venue.good("mode") is None:
        return
    if venue.mode in ("embedded", "paper"):
        return
    if venue.credentials is None:
        hint = 'credentials = "exchange.key" below $CREDENTIALS_DIRECTORY, or a full path'
        message = f'is missing, and mode = "{venue.mode}" needs it'
        yield Finding(("venue", "credentials"), ABSENT, message, hint)


def live_is_meant(tables: Tables) -> Iterator[Finding]:
    """Real money moves only for a file that says so twice."""
    venue = tables.venue.good("armed")
    if venue is None or tables.venue.good("mode") is None or venue.mode != "live":
        return
    if not venue.armed:
        message = 'is not set, and mode = "live" trades REAL MONEY'
        yield Finding(("venue", "armed"), ABSENT, message, "armed = true")


def one_environment(tables: Tables) -> Iterator[Finding]:
    """Prices of one place and orders at another are two different markets."""
    venue, feed = tables.venue.model, tables.feed.model
    if venue is None or feed is None or _is_embedded(tables) or _is_paper(tables):
        return
    for key in ("rest_url", "stream_url"):
        ours, theirs = getattr(feed, key), getattr(venue, key)
        if ours is not None and ours != theirs:
            message = "is not the address in [venue]: prices come from elsewhere than fills"
            yield Finding(("feed", key), ours, message)


def _some(names: list[str]) -> str:
    """The first names of a list that may have hundreds."""
    shown = ", ".join(names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"


def isolation_matches_hot_cores(tables: Tables) -> Iterator[Finding]:
    """Isolated cores that nobody hot uses are wasted; hot cores that are not isolated are noisy."""
    hardware = tables.hardware.good("isolcpus")
    if hardware is None or not hardware.isolcpus:
        return
    hot = {seat.core for seat in _seats(tables) if seat.process in HOT_PROCESSES}
    if hot and hot != set(hardware.isolcpus):
        wanted = format_core_list(hot)
        message = f"differs from the cores of feed, brain and execution ({wanted})"
        yield Finding(("hardware", "isolcpus"), hardware.isolcpus, message, f"wanted: {wanted}")


def real_time_shares_with_care(tables: Tables) -> Iterator[Finding]:
    """A real-time process that does not sleep starves kernel threads and its neighbours."""
    hardware = tables.hardware.good("scheduler")
    if hardware is None or hardware.scheduler == "other":
        return
    key: Location = ("hardware", "scheduler")
    if tables.hardware.good("wait") is not None and hardware.wait in ("spin", "yield"):
        message = f'with wait = "{hardware.wait}" it starves the kernel threads of its core'
        hint = "keep kernel.sched_rt_runtime_us at 950000"
        yield Finding(key, hardware.scheduler, message, hint)
    if _shared(_seats(tables)):
        message = "real-time processes share a core: the busiest starves the others"
        yield Finding(key, hardware.scheduler, message, 'on shared cores: scheduler = "other"')
    if tables.hardware.good("priority") is not None and hardware.priority == 99:
        message = "is the priority of the kernel's own watchdog and migration threads"
        yield Finding(("hardware", "priority"), 99, message, "stay below 99")


def limits_leave_room(tables: Tables) -> Iterator[Finding]:
    """A strategy that asks for more than its limits would only collect denials."""
    for name, checked in tables.instances.items():
        instance = checked.good("limits")
        if instance is None:
            continue
        limits = instance.limits
        under: Location = ("instances", name)
        if limits.max_order_qty > limits.max_position_qty:
            message = f"is above max_position_qty = {limits.max_position_qty:g}"
            yield Finding((*under, "limits", "max_order_qty"), limits.max_order_qty, message)
        if checked.good("parameters") is None:
            continue
        pairs = (
            ("order_qty", "max_order_qty", limits.max_order_qty),
            ("max_inventory_qty", "max_position_qty", limits.max_position_qty),
            ("max_notional_quote", "max_order_notional", limits.max_order_notional),
        )
        for parameter, limit, bound in pairs:
            asked = instance.parameters.get(parameter)
            if isinstance(asked, int | float) and asked > bound:
                message = f"is above limits.{limit} = {bound:g}: the gate will deny it"
                yield Finding((*under, "parameters", parameter), asked, message)
        levels = instance.parameters.get("order_levels")
        if isinstance(levels, int):
            orders, bound = 2 * levels * len(instance.symbols), limits.max_open_orders
            if orders > bound:
                message = f"makes {orders} orders, above limits.max_open_orders = {bound}"
                key = (*under, "parameters", "order_levels")
                yield Finding(key, levels, f"{message}: the gate will deny some")
        yield from _orders_are_worth_it(tables, under, instance)


def _orders_are_worth_it(
    tables: Tables, under: Location, instance: InstanceConfig
) -> Iterator[Finding]:
    """What one order is worth at the embedded exchange's opening price, against what it may be."""
    asked = instance.parameters.get("order_qty")
    venue = tables.venue.good("symbols")
    if not _is_embedded(tables):
        return
    if venue is None or not isinstance(asked, int | float):
        return
    key: Location = (*under, "parameters", "order_qty")
    for symbol in instance.symbols:
        contract = venue.symbols.get(symbol)
        if contract is None:
            continue
        worth = asked * contract.price
        bound = instance.limits.max_order_notional
        if worth > bound:
            message = f"is worth {worth:g} of {symbol}, above limits.max_order_notional = {bound:g}"
            yield Finding(key, asked, f"{message}: the gate will deny it")
        if asked < contract.min_qty or worth < contract.min_notional:
            message = (
                f"is below what the exchange takes of {symbol}: at least {contract.min_qty:g} and "
                f"{contract.min_notional:g} in quote units"
            )
            yield Finding(key, asked, message)


def margin_fits_leverage(tables: Tables) -> Iterator[Finding]:
    """The margin that an order takes is the account's; the gate reckons with `margin_rate`."""
    for name, checked in tables.instances.items():
        if checked.good("limits") is None or checked.good("leverage") is None:
            continue
        assert checked.model is not None
        rate = checked.model.limits.margin_rate
        for symbol, leverage in checked.model.leverage.items():
            if leverage * rate < 1.0 - 1e-9:
                message = f"takes 1/{leverage} of an order as margin, margin_rate is {rate:g}"
                key: Location = ("instances", name, "leverage", symbol)
                yield Finding(key, leverage, message, f"margin_rate = {1 / leverage:.4g}")


def accepted_checks_exist(tables: Tables) -> Iterator[Finding]:
    """Only what is a check can be accepted, and never one that money rests on."""
    doctor = tables.doctor.good("accepted")
    for place, name in enumerate(doctor.accepted if doctor is not None else ()):
        key: Location = ("doctor", "accepted", place)
        if name not in CHECKS:
            close = nearest_name(name, CHECKS)
            hint = f"did you mean {close}?" if close else "aegis doctor names every check"
            yield Finding(key, name, "is no check of aegis doctor", hint)
        elif not CHECKS[name]:
            message = "cannot be accepted: money rests on it"
            yield Finding(key, name, message, "leave it out, and mend what the check tells")


Rule = Callable[[Tables], Iterator[Finding]]
PROBLEM_RULES: Final[tuple[Rule, ...]] = (
    cores_exist,
    cores_are_apart,
    spinners_are_alone,
    priority_fits_scheduler,
    gc_times_are_ordered,
    venue_lists_symbols,
    keys_are_named,
    live_is_meant,
    paper_is_paper,
    accepted_checks_exist,
)
WARNING_RULES: Final[tuple[Rule, ...]] = (
    isolation_matches_hot_cores,
    real_time_shares_with_care,
    limits_leave_room,
    margin_fits_leverage,
    rows_hold_the_venue,
    endpoints_are_used,
    one_environment,
)
