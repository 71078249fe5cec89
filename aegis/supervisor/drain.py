"""The way down: brain, execution, feed, venue, one after the other, each within a bound.

The order keeps every promise to the one before it: the brain stops deciding, then execution cancels
what rests and confirms it while feed and venue still answer, and only then do they go. A process
that overstays its time is killed, and that is said. If execution could not do its work, the
supervisor has the venue cancel everything, or at a testnet or live exchange a process that it forks
for that (`last_cancel`). Called once per run, also after a failure.
"""

from __future__ import annotations

from collections.abc import Iterable

from aegis.host.clock import monotonic_ns
from aegis.supervisor.instance import Instance
from aegis.supervisor.last_cancel import cancel_in_its_place
from aegis.supervisor.venue_account import VenueAccount

__all__ = ["ORDER", "drain", "symbols_to_cancel"]

ORDER = ("brain", "execution", "feed", "venue")

_TURN_MS = 20
# A process that reads its drain bit is gone by then; SIGTERM is for one that waits for a signal.
_SIGTERM_AFTER_NS = 1_500_000_000
_HASTENED_NS = 500_000_000
_EXTENSION_US = 15_000_000


def drain(instance: Instance, status: str) -> None:
    """End every process in order; fills `open_orders`, `unclean` and `ended_ns` of the instance."""
    instance.notes.phase = "stopping"
    instance.notes.reason = status
    instance.write_notes()
    instance.notifier.stopping(status)
    for child in instance.children.values():
        child.restart_at_ns = None
    executed = "execution" in instance.running()
    for process in ORDER:
        if process == "feed":
            _settle_orders(instance, executed)
        _drain_one(instance, process)
    instance.ended_ns = monotonic_ns()


def _drain_one(instance: Instance, process: str) -> None:
    child = instance.children.get(process)
    if child is None or not child.running:
        return
    began_ns = instance.heartbeat()
    instance.memory.control.drain(process)
    instance.notifier.extend_timeout(_EXTENSION_US)
    patience_ns = instance.settings.supervisor.drain_timeout_ms * 1_000_000
    terminated = False
    while child.reap() is None:
        now_ns = instance.pause(_TURN_MS)
        waited_ns = now_ns - began_ns
        if instance.inbox.stop_count > 1:
            patience_ns = min(patience_ns, _HASTENED_NS)
        if instance.inbox.stop_count > 2:
            patience_ns = 0
        if not terminated and waited_ns > _SIGTERM_AFTER_NS:
            terminated = True
            child.terminate()
        if waited_ns > patience_ns and not child.verdict:
            text = f"{process} did not finish within {patience_ns / 1e9:.1f} s"
            instance.unclean.append(text)
            instance.say(f"{text}: killed")
            child.kill("overstayed its drain")
    instance.watch.ended(process)
    if child.last_end not in ("exit code 0", "killed by SIGTERM") and not child.verdict:
        instance.unclean.append(f"{process} ended badly: {child.last_end}")
        instance.say(instance.unclean[-1])


def _settle_orders(instance: Instance, executed: bool) -> None:
    """Ask the venue what rests; where execution did not do its work, have it cancelled."""
    if instance.children["execution"].generation == 0:
        # It was never started: nothing of ours rests at an exchange of our own. Elsewhere an
        # appliance before this one may have left something, and nobody has asked.
        instance.open_orders = 0 if instance.settings.has_own_venue else None
        return
    if not instance.settings.has_own_venue:
        _settle_at_exchange(instance)
        return
    account = instance.account()
    if account is None or "venue" not in instance.running():
        instance.say("the venue does not run: whether orders rest there cannot be asked")
        return
    by_execution = executed and not instance.children["execution"].verdict
    instance.open_orders = account.open_orders()
    if by_execution and instance.open_orders == 0:
        return
    instance.say(
        f"orders at the venue after execution ended: {_shown(instance.open_orders)}; "
        "cancelling all in its place"
    )
    if not account.cancel_all(symbols_to_cancel(instance, account)):
        instance.unclean.append("the venue did not confirm the cancellation of all orders")
    instance.heartbeat()
    instance.open_orders = account.open_orders()
    if instance.open_orders != 0:
        instance.unclean.append(f"orders left at the venue: {_shown(instance.open_orders)}")
        instance.say(instance.unclean[-1])


def _settle_at_exchange(instance: Instance) -> None:
    """At any other exchange execution alone has the keys; its good end says that nothing rests.

    After any other end a process of its own cancels everything in its place.
    """
    if instance.children["execution"].last_end == "exit code 0":
        instance.open_orders = 0
        return
    instance.say(
        "execution could not confirm that nothing rests at the exchange; cancelling all in its "
        "place"
    )
    is_done, text = cancel_in_its_place(instance)
    if is_done:
        instance.open_orders = 0
        instance.say(f"cancelled in place of execution: {text}")
        return
    instance.unclean.append(f"whether orders rest at the exchange is not known: {text}")
    instance.say(instance.unclean[-1])


def symbols_to_cancel(instance: Instance, account: VenueAccount) -> Iterable[str]:
    """The instance's own symbols. One that takes all has orders on few: those the venue names.

    Where it names none because it does not answer, all that the feed ever found are cancelled on.
    """
    listed = instance.settings.instance.symbols
    if listed:
        return listed
    named = account.symbols_with_orders()
    if named is not None:
        return named
    table = instance.memory.instruments
    return [table.symbol(row) for row in range(table.rows.size) if table.symbol(row)]


def _shown(open_orders: int | None) -> str:
    return "unknown, it does not answer" if open_orders is None else str(open_orders)
