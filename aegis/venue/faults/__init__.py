"""Everything that can go wrong at an exchange, on order: the fault menu of the venue.

A fault says what happens (a row of ``menu``), where, when and how often (``schema``). They come
from a TOML file or from the control endpoint; the ``board`` holds them, and the rooms of the venue
ask it: streams per message, the gateway per request, the market per step. All of them follow from
the schedule and its seed alone. ``catalogue`` tells which entry of the fault catalogue each makes.
"""
