"""The venue's words: every JSON body it sends, written from the exchange's integers.

One file per audience (market streams, order replies, accounts, user events, exchange info). They
only encode: nothing here changes state or reads a clock.
"""
