"""What the venue remembers of its public prints: bars, recent trades, aggregated trades, tickers.

A compiled reader of the tape's TRADE records. ``pump`` lets it read each tape before anybody else
does; REST handlers and the publisher ask it afterwards. Symbols are named by their number, the
row of the symbol in the venue's list (`SymbolSpec.number`). Memory is bounded per symbol
(``layout``) and taken when first touched.

Feeding it (`history.History`), single thread, in the order of event time:

* `consume(tape)`: every TRADE record of a tape. `consume_part(tape, begin, end)`: those at
  positions [begin, end), for a reader that stops at boundaries of event time in between.
* `record(number, trade)`: one trade that is on no tape.
* `close_due(now_ms)`: closes the aggregated trades that have been open for 100 ms at `now_ms`.
  A trade of another price or side, or one 100 ms later, closes the open aggregate as well.
* `note_marks(now_ms, marks_e8, indices_e8, premiums_e8)`: once per second, int64 arrays with one
  value per symbol (0 where there is none yet; the premium index is a ratio in 1e-8).

``observation`` feeds the marks, and the positions of every five minutes (``samples``).

Asking it from Python (everything in ticks and lots, money in 1e-8 quote, as exact integers):

* `bars(number, interval, limit, start_ms, end_ms, now_ms) -> list[Bar]`, ascending; with a
  `start_ms` the first `limit` of them from there, without (None) the newest up to `end_ms`. A bar
  without trades repeats the close before it and has ids of -1. Intervals: `INTERVALS`.
* `open_bar(number, interval, now_ms) -> Bar | None`; `bar(number, interval, open_ms)`: a closed
  one. None as long as the symbol has never traded.
* `trades(number, limit, from_id=None) -> list[PublicTrade]`, ascending by id.
* `aggregates(number, limit, from_id=, start_ms=, end_ms=) -> list[Aggregate]`, ascending by id.
* `closed_aggregates(after) -> (list[Aggregate], seen)`: those of all symbols closed since the
  count `after`, in the order in which they closed; hand `seen` in the next time. Each reader
  keeps its own count, starting at `closed_count`.
* `ticker(number, now_ms) -> Ticker`: the 24 hours up to now, from whole minutes and the open one.
* `mark_bars(number, kind, interval, ...)`: kind MARK, INDEX or PREMIUM; as `bars`.

Asking it from a kernel (``folding``, ``intervals``): `history.tables` is a NamedTuple of arrays, to
be passed on as it is. Passing it costs a kernel some hundred nanoseconds per call, which is why the
parts of `kernels.consume` are inlined.

* `fold_bar(tables, symbol, interval, open_ms, out)`: the bar of `interval` (its place in
  `INTERVALS`) that opens at `open_ms`, into the BAR record `out[0]`; False if none.
  `opens_at(interval, time_ms)` and `opens_after(interval, open_ms)` give the bounds; T of a kline
  is `opens_after(...) - 1`.
* `fold_ticker(tables, symbol, now_ms, out)`: the TICKER record `out[0]`.
* `tables.closed[k % len(tables.closed)]` for k from a reader's count up to
  `tables.closed_count[0]`: AGGREGATE records as they closed, with their symbol. A reader that
  falls more than CLOSED_ROWS behind has lost the oldest of them and can tell from the count.
"""
