"""What can go wrong with recordings, one tree: `except RecorderError` catches all of it."""

__all__ = ["DamagedError", "ForeignError", "RecorderError"]


class RecorderError(Exception):
    """Base of every error of a recording; the text names the file and what would be right."""


class ForeignError(RecorderError):
    """The file is no recording of ours, or of a version that this build does not know."""


class DamagedError(RecorderError):
    """An input that is cut short or spoiled; the text says where, and what was kept."""
