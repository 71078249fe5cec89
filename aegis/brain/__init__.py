"""The brain: ticks and outcomes in, intents out, inside one compiled duty cycle.

It computes and does nothing else: no socket, no file, no key. `duty_cycle` is the loop, `quoter`
turns a strategy's wishes into orders, `process` is the thin Python around it. The decisions are a
function of the events' content; `intents_hash` chains over them, and two replays of one tape must
end in the same hash.
"""
