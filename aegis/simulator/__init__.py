"""The simulator: execution's real code in virtual time, against an exchange that fails on purpose.

`aegis simulate` and the tests call `campaign`; one seed is one `trial`. See README.md in this
folder for what is simulated, what is asserted, and how a failing seed is replayed.
"""
