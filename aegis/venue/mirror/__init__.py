"""The mirror: a recording drives the market, and our orders stand in its queues.

``recording`` reads the file, ``recorded_book`` its messages, ``book`` keeps our orders' places,
``player`` applies one line after the other. All pure; ``conductor`` one floor up sets the pace. The
same ``book`` follows the live market on ``paper``.
"""
