"""Strategies: one folder each, all in the same form, compiled into the brain's duty cycle.

`contract` says what a strategy is, `registry` finds one by its name in `aegis.toml`. A strategy
computes; it does no I/O, reads no clock, and knows neither orders in flight nor the exchange.
"""
