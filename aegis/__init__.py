"""A.E.G.I.S.: a trading appliance for one pinned Linux box.

Importing the package does one thing: it gives Numba a cache directory keyed by the content of
every file that defines a kernel and of all that those import, because Numba does not see a change
in an imported file, and would go on running the old machine code.
"""

import hashlib
import os
import pathlib
import re
import tempfile

__version__ = "0.1.0"
__all__ = ["BUILD_ID", "__version__"]


_ROOT = pathlib.Path(__file__).parent
_IMPORT = re.compile(r"^\s*(?:from|import) (aegis(?:\.\w+)+)(?: import (.+))?", re.MULTILINE)
_KERNEL = "from aegis.host.jit import"


def _hash(sources: dict[str, str], names: list[str]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(names):
        digest.update(name.encode())
        digest.update(sources[name].encode())
    return digest.hexdigest()


def _kernel_sources(sources: dict[str, str]) -> list[str]:
    """The modules that define kernels, and whatever these import, directly or not."""
    found: set[str] = set()
    waiting = [name for name, text in sources.items() if _KERNEL in text]
    while waiting:
        name = waiting.pop()
        if name in found or name not in sources:
            continue
        found.add(name)
        for module, items in _IMPORT.findall(sources[name]):
            waiting.append(module)
            waiting.extend(f"{module}.{item.strip()}" for item in items.split(","))
    return list(found)


def _identities() -> tuple[str, str]:
    """(of the whole package, of its kernels): 16 hex digits each, from the sources' content."""
    sources: dict[str, str] = {}
    for path in _ROOT.rglob("*.py"):
        parts = ("aegis", *path.relative_to(_ROOT).with_suffix("").parts)
        sources[".".join(part for part in parts if part != "__init__")] = path.read_text()
    del sources["aegis"]
    return _hash(sources, list(sources)), _hash(sources, _kernel_sources(sources))


BUILD_ID, _KERNELS_ID = _identities()


def _writable(base: str) -> bool:
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
    except OSError:
        return False
    return os.access(base, os.W_OK) and os.stat(base).st_uid == os.geteuid()


def _point_numba_at_the_release_cache() -> None:
    base = os.environ.get("AEGIS_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    if base is None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(home, "aegis", "kernels")
        if not _writable(base):
            # Machine code is loaded from there: the folder must be ours alone.
            base = os.path.join(tempfile.gettempdir(), f"aegis-kernels-{os.geteuid()}")
            if not _writable(base):
                base = tempfile.mkdtemp(prefix="aegis-kernels-")
    # A child process inherits the variable: the key must not be appended a second time.
    if os.path.basename(base) != _KERNELS_ID:
        base = os.path.join(base, _KERNELS_ID)
    os.environ["NUMBA_CACHE_DIR"] = base


_point_numba_at_the_release_cache()
