"""The embedded exchange: Binance USD-M futures on loopback, spoken over real sockets.

The rules (matching, ledger, order checks, payloads, signatures, the mirror of a recording) are
pure: integers and bytes in, integers and bytes out, the time passed in. ``wire`` and ``serve``
are the thin asyncio edge. Its encoders are written apart from the decoders of feed and execution
on purpose: shared wire code would hide the bugs of both. Fills here are simulated; nothing in
this package ever talks to a real exchange.
"""
