"""The machine below: cores, huge pages, locked memory, scheduler, collector, processes.

Whatever asks the kernel for something gives back a ``Grant`` that says what came of it, so that a
smaller box is told and never hidden. Import the module that you need: this package loads none of
them, since ``jit`` and ``clock`` bring Numba with them and the rest must stay light.
"""
