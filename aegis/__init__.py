"""A.E.G.I.S.: a trading appliance for one pinned Linux box.

Importing the package does one thing: it gives Numba a cache directory keyed by the content of
every source file, because Numba does not see a change in a file that a cached kernel imports
from, and would go on running the old machine code.
"""

import hashlib
import os
import pathlib

__version__ = "0.1.0"
__all__ = ["BUILD_ID", "__version__"]


def _build_id() -> str:
    """Hash the package's sources: 16 hex digits that change when any line of it does."""
    digest = hashlib.blake2b(digest_size=8)
    root = pathlib.Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


BUILD_ID = _build_id()


def _point_numba_at_the_release_cache() -> None:
    base = os.environ.get("AEGIS_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    if base is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(home, "aegis", "kernels")
    # A child process inherits the variable: the key must not be appended a second time.
    if os.path.basename(base) != BUILD_ID:
        base = os.path.join(base, BUILD_ID)
    os.environ["NUMBA_CACHE_DIR"] = base


_point_numba_at_the_release_cache()
