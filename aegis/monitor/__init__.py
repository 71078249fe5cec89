"""Read-only views of an instance: what `aegis status` and the live table show.

Everything here reads shared memory, the supervisor's note file and /proc. Nothing in the hot path
needs it, and nothing here writes: a person who looks must never be able to disturb the trading.
"""
