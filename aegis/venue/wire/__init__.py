"""The thin edge: sockets, frames and HTTP. It carries texts to the gateway and bytes to clients.

One port serves REST and WebSocket alike. Nothing here knows a rule of the exchange.
"""
