"""Wait strategies: what a reader does with its core while two rings have nothing for it.

One file each, all with the same kernel `wait(first, first_seen, second, second_seen, slot,
deadline_ns)`: it returns 1 as soon as TAIL of either ring differs from what was seen, or 0 at the
deadline (CLOCK_MONOTONIC), and never later than that. `wait_any` picks by number.

=========  ==========================  ========================================================
strategy    wakes in                    costs
=========  ==========================  ========================================================
spin        tens of nanoseconds         100 % of the core; only for a core that is shared by nobody
yield       a scheduler slice           100 % of what the core has left
backoff     up to 100 microseconds      little; spins, yields, then sleeps in growing steps
park        5-50 microseconds           nothing; the writer makes a system call to wake
=========  ==========================  ========================================================
"""

from aegis.shm.wait.pick import BACKOFF, BY_NAME, PARK, SPIN, YIELD, wait_any

__all__ = ["BACKOFF", "BY_NAME", "PARK", "SPIN", "YIELD", "wait_any"]
