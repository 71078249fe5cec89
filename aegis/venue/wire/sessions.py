"""The two kinds of WebSocket session: streams (market and user data), and the WebSocket API.

Made by ``make_session`` from the request's path. They join the pure parts (control messages, API
session) to the hubs and the dispatcher.
"""

from __future__ import annotations

from dataclasses import dataclass

from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.wsapi import HANDSHAKE_WEIGHT, WsApiSession
from aegis.venue.streams import StreamNames
from aegis.venue.wire.control import StreamControl
from aegis.venue.wire.dispatch import Dispatcher
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.socket import Session, Socket
from aegis.venue.wire.targets import ApiTarget, StreamTarget, parse_target
from aegis.venue.wire.userfeed import Listener, UserFeed

POLICY_VIOLATION = 1008


@dataclass(frozen=True, slots=True)
class Switchboard:
    """What a session needs of the venue."""

    core: Core
    hub: Hub
    feed: UserFeed
    names: StreamNames
    dispatcher: Dispatcher

    def make_session(self, socket: Socket, path: str) -> Session | None:
        """The session a request's path asks for, None if there is no such path."""
        target = parse_target(path)
        if isinstance(target, ApiTarget):
            return ApiSession(self, socket, target)
        if isinstance(target, StreamTarget):
            return StreamSession(self, socket, target)
        return None


class ApiSession:
    """A connection to /ws-fapi/v1."""

    def __init__(self, board: Switchboard, socket: Socket, target: ApiTarget) -> None:
        self._board = board
        self._socket = socket
        self._api = WsApiSession(board.core, socket.address, target.shows_limits)

    def opened(self) -> None:
        core = self._board.core
        try:
            core.limiter.charge_weight(self._socket.address, HANDSHAKE_WEIGHT, core.wall_ms())
        except RejectError as error:
            self._socket.close(POLICY_VIOLATION, error.message[:100])

    def received(self, text: str) -> None:
        answer = self._api.receive(text)
        if isinstance(answer, Call):
            self._board.dispatcher.submit(answer, self._deliver)
        else:
            self._deliver(answer)

    def closed(self) -> None:
        return

    def _deliver(self, reply: Reply) -> None:
        self._socket.send_text(reply.body)


class StreamSession:
    """A connection to streams, on whichever route."""

    def __init__(self, board: Switchboard, socket: Socket, target: StreamTarget) -> None:
        self._board = board
        self._socket = socket
        self._target = target
        self._control = StreamControl(target.combined, self._attach, self._detach)

    def opened(self) -> None:
        self._control.subscribe(self._target.names[:1024])
        for key, events in self._target.keys:
            self._listen(key, events)

    def received(self, text: str) -> None:
        answer = self._control.receive(text)
        self._socket.send_text(answer.message)
        if answer.close:
            self._socket.close(POLICY_VIOLATION, "Invalid JSON")

    def closed(self) -> None:
        self._board.hub.forget(self._socket)
        self._board.feed.leave(self._socket)

    def _attach(self, name: str) -> None:
        board, route = self._board, self._target.route
        if board.names.carried(name, route):
            board.hub.subscribe(name, self._socket, self._control.combined)
        else:
            self._listen(name, None)

    def _detach(self, name: str) -> None:
        self._board.hub.unsubscribe(name, self._socket)
        self._board.feed.leave(self._socket, name)

    def _listen(self, key: str, events: frozenset[str] | None) -> None:
        """Attach to user data if the key is good here; an unknown one is silent, not an error."""
        board = self._board
        if not board.names.carries_user_data(self._target.route):
            return
        account_id = board.core.listen_keys.account_of(key, board.core.wall_ms())
        if account_id is not None:
            combined = self._control.combined
            board.feed.listen(Listener(self._socket, key, account_id, combined, events))
