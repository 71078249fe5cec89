"""The entry point of an instance: it makes the memory, forks the processes, watches and ends them.

`Supervisor` (in `supervisor.py`) is what `aegis run` drives. The parent stays a single thread with
a plain poll loop for its whole life, because every restart is a fork of it. It never touches a
price: its only words to the venue are "which of my orders rest?" and "cancel them all", said when
the process whose work that is has ended.
"""
