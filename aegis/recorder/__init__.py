"""Recordings of market data: written beside a running instance, checked, repaired, converted.

Called by `aegis record` and `aegis data`. Nothing in the hot path needs it and nothing here writes
to shared memory: a recorder that stalls or dies is a reader that fell behind, no more.
"""
