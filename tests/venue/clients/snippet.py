"""Runs one snippet of the venue's README: Python on standard input, inside the network fence.

``test_readme`` starts it with the clients' interpreter and the environment that the README names.
"""

from __future__ import annotations

import sys

from tests.venue.clients.session import Fence

if __name__ == "__main__":
    fence = Fence()
    source = sys.stdin.read()
    exec(compile(source, "<README>", "exec"), {"__name__": "__main__"})
    if fence.strangers:
        sys.exit(f"the snippet asked for {', '.join(fence.strangers)}")
