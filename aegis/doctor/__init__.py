"""The doctor: the pre-flight check of the box, the configuration and the exchange.

``aegis doctor`` runs it. One function per check, grouped by subject; each reads through a ``Box``,
so that a test can build one in a folder, and ends in a ``Verdict``. ``registry`` is the list,
``examine`` runs it, ``record`` keeps what live trading asks for. Nothing here starts, stops or
changes an instance or a setting of the box.
"""
