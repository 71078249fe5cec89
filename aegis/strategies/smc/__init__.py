"""Trading by structure: Smart Money Concepts on closed candles, causal, sized by risk.

`parameters` is what the user sets, `strategy` the kernel; `told` takes in the candles that the feed
builds, `setup` finds an entry and scores it, `plan` turns it into wishes. The engine is
`quant.smc.streaming`.
"""
