"""The mirror: a recording drives the market, and our orders stand in its queues.

``recording`` reads the file, ``book`` follows the recorded book and keeps our orders' places in it,
``player`` applies one line after the other. All pure; ``conductor`` one floor up sets the pace.
"""
