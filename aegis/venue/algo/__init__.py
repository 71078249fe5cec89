"""Conditional orders: what they wait for, when they trigger, what they become.

``order`` is an order of the algo service, ``store`` remembers them, ``triggers`` are the pure rules
of when, ``board`` watches all that wait, ``requests`` reads them from parameters, and ``desk``
places, cancels and triggers them, those of 2024 (which are orders among the others) included.
"""
