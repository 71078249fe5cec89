"""Output that never blocks: full pipes, slow readers, readers that have gone."""

from __future__ import annotations

import os
import time

from aegis.cli.outlet import Outlet


def test_a_reader_gets_what_is_written() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    outlet.line("five € and more")
    assert os.read(reader, 100).decode() == "five € and more\n"
    assert outlet.dropped == 0
    assert not outlet.isatty()
    os.close(reader)
    os.close(writer)


def test_a_pipe_that_nobody_reads_never_blocks_us() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer)
    began = time.monotonic()
    for _ in range(200):
        outlet.line("x" * 5_000)
    assert time.monotonic() - began < 5.0
    assert outlet.dropped > 100
    # Once it reads again, so do we write again.
    while len(os.read(reader, 65_536)) == 65_536:
        continue
    os.set_blocking(reader, False)
    dropped = outlet.dropped
    outlet.line("again")
    assert outlet.dropped == dropped
    assert os.read(reader, 65_536).endswith(b"again\n")
    os.close(reader)
    os.close(writer)


def test_a_reader_that_has_gone_is_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    outlet = Outlet(writer)
    outlet.line("nobody")
    outlet.line("nobody again")
    assert outlet.dropped == 2
    os.close(writer)
