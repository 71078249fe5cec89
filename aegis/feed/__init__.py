"""The feed: exchange sockets in, tick records and order books out.

One process of an instance. It is the only writer of the ticks ring, the books and the instruments
table, and it never waits for a reader. Bytes are read by `connection`, understood by `scan` (hot)
or `wire` (careful), kept in sequence by `sync`, turned into records by `intake`; `process.run` is
the process's whole life. Only `connection`, `rest` and `process` know about sockets and time.
"""
