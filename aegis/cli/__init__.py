"""The commands, one file each; `main.py` puts them together.

Importing this package must stay cheap: Numba, the event loop and the exchange's wire code are
loaded by the command that needs them, so that `aegis --help` answers at once.
"""
