"""The gateway: who may ask what. Requests in as texts, replies out as JSON; no socket in sight.

REST and the WebSocket API share every handler; they differ in how a request is signed and how a
reply is wrapped.
"""
