"""Market streams in machine code: from the tape to encoded messages, from these to subscribers.

``publisher`` decides what goes out and when, ``wire.hub`` knows who gets it; the kernels of both
are here. A message is written once, into the message log (``log``), whoever wants it; the fan-out
(``fanout``) copies it, framed, to each subscriber. Nothing here may keep a price that is not on the
tape, or wait for a reader.
"""
