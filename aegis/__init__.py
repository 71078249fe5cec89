"""A.E.G.I.S.: a trading appliance for one pinned Linux box.

Importing the package does one thing: it gives Numba a cache directory of our own, before anything
imports Numba. ``host.kernel_cache`` decides what in it is still good.
"""

import hashlib
import os
import pathlib
import tempfile

__version__ = "0.1.0"
__all__ = ["BUILD_ID", "__version__"]


_ROOT = pathlib.Path(__file__).parent


def _identity() -> str:
    """16 hex digits of the content of every source file: two builds that differ never mix."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(_ROOT.rglob("*.py")):
        digest.update(str(path.relative_to(_ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


BUILD_ID = _identity()


def _writable(base: str) -> bool:
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
    except OSError:
        return False
    return os.access(base, os.W_OK) and os.stat(base).st_uid == os.geteuid()


def _point_numba_at_our_cache() -> None:
    base = os.environ.get("AEGIS_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    if base is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(home, "aegis", "kernels")
        if not _writable(base):
            # Machine code is loaded from there: the folder must be ours alone.
            base = os.path.join(tempfile.gettempdir(), f"aegis-kernels-{os.geteuid()}")
            if not _writable(base):
                base = tempfile.mkdtemp(prefix="aegis-kernels-")
    os.environ["NUMBA_CACHE_DIR"] = base


_point_numba_at_our_cache()
