"""The execution journal: everything that moved the account, written before the socket is.

`layout` is the format; `checksum`, `notes` and `snapshot` make records inside and beside the
kernels; `disk`, `writer` and `sync` bring them to the disk; `journal` is the part that a trading
session holds. `reader`, `replay` and `recovery` bring it all back.
"""
