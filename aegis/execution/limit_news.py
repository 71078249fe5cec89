"""What an answer of the exchange says of its limits, told to the dispatcher.

Called by the session for every answer, on whatever line it came.
"""

from __future__ import annotations

from aegis.execution.dispatcher import Dispatcher
from aegis.execution.error_codes import Verdict
from aegis.execution.replies import Answer, pause_s_of, verdict_of

__all__ = ["tell_limits"]

# The shortest ban there is, for one whose end is not told.
BAN_S = 120.0


def tell_limits(dispatcher: Dispatcher, answer: Answer, now_ms: int) -> None:
    """Pass counts, pauses, bans and overload on; `now_ms` is the exchange's time."""
    if answer.rate_limits:
        dispatcher.on_counts(answer.rate_limits, now_ms)
    error = answer.error
    if error is None:
        dispatcher.on_accepted()
        return
    verdict = verdict_of(answer.status, error.code, error.msg)
    pause_s = pause_s_of(error.msg, answer.retry_after, now_ms)
    if verdict is Verdict.RATE_LIMITED:
        pause_ms = None if pause_s is None else int(pause_s * 1000)
        dispatcher.on_rate_limited(error.code, pause_ms, now_ms)
    elif verdict is Verdict.BANNED:
        dispatcher.on_banned(now_ms + int((pause_s or BAN_S) * 1000), now_ms)
    elif verdict is Verdict.OVERLOADED:
        dispatcher.on_overloaded(now_ms)
