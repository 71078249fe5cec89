"""The two kinds of WebSocket session: streams (market and user data), and the WebSocket API.

Made by ``make_session`` from the request's path. They join the pure parts (control messages, API
session) to the hubs and the dispatcher. Whether an address may connect at all is decided here, by
the venue's limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.core import Core
from aegis.venue.errors import RejectError
from aegis.venue.faults.room import FaultRoom
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.rest import refusal
from aegis.venue.gateway.wsapi import HANDSHAKE_WEIGHT, WsApiSession
from aegis.venue.streams import StreamNames
from aegis.venue.wire.allowance import Allowance
from aegis.venue.wire.control import StreamControl
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.socket import POLICY_VIOLATION, Session, Socket
from aegis.venue.wire.targets import ApiTarget, StreamTarget, parse_target
from aegis.venue.wire.userfeed import Listener, UserFeed

NO_SUCH_PATH: Final = Reply(404, b"no such path\n", {})


@dataclass(frozen=True, slots=True)
class Switchboard:
    """What a session needs of the venue."""

    core: Core
    hub: Hub
    feed: UserFeed
    names: StreamNames
    faults: FaultRoom

    def make_session(self, socket: Socket, path: str) -> Session | Reply:
        """The session a request's path asks for, or the HTTP answer that refuses it."""
        target = parse_target(path)
        if target is None:
            return NO_SUCH_PATH
        core, address = self.core, socket.address
        try:
            if core.outage is not None:
                raise core.outage
            core.limiter.charge_connection(address, core.wall_ms())
            if isinstance(target, ApiTarget):
                core.limiter.charge_weight(address, HANDSHAKE_WEIGHT, core.wall_ms())
        except RejectError as error:
            return refusal(core, address, error)
        if isinstance(target, ApiTarget):
            return ApiSession(self, socket, target)
        return StreamSession(self, socket, target)

    def flooded(self, socket: Socket) -> None:
        """A client sent more than it may: its connection goes, and who does it often is banned."""
        self.core.limiter.note_flood(socket.address, self.core.wall_ms())


class ApiSession:
    """A connection to /ws-fapi/v1."""

    def __init__(self, board: Switchboard, socket: Socket, target: ApiTarget) -> None:
        self._board = board
        self._socket = socket
        self._api = WsApiSession(board.core, socket.address, target.shows_limits)
        self._controls = Allowance(board.core.limiter.limits.api_pings_per_s)

    def opened(self) -> None:
        self._board.faults.lines.came("api", self._socket, self._accounts, self._api.revoked)

    def allows(self, control: bool, now_s: float) -> bool:
        if not control or self._controls.take(now_s):
            return True
        self._board.flooded(self._socket)
        return False

    def received(self, text: str) -> None:
        answer = self._api.receive(text)
        if isinstance(answer, Call):
            self._board.faults.carry_out(answer, self)
        else:
            self.deliver(answer)

    def closed(self) -> None:
        self._board.faults.lines.gone(self._socket)

    # --- the way back of a request (faults.requests.Edge) ---

    def deliver(self, reply: Reply) -> None:
        self._socket.send_text(reply.body)

    def twice(self, reply: Reply) -> None:
        self.deliver(reply)
        self.deliver(reply)

    def cut(self) -> None:
        self._socket.abort()

    def keep_waiting(self) -> None:
        return

    def owner(self) -> object:
        return self

    def _accounts(self) -> list[int]:
        account_id = self._api.account_id
        return [account_id] if account_id else []


class StreamSession:
    """A connection to streams, on whichever route."""

    def __init__(self, board: Switchboard, socket: Socket, target: StreamTarget) -> None:
        limits = board.core.limiter.limits
        self._board = board
        self._socket = socket
        self._target = target
        self._most = limits.streams_per_connection
        self._control = StreamControl(target.combined, self._attach, self._detach, self._most)
        self._messages = Allowance(limits.messages_per_s)

    def opened(self) -> None:
        self._control.subscribe(self._target.names[: self._most])
        for key, events in self._target.keys:
            self._listen(key, events)
        feed, socket = self._board.feed, self._socket
        route = self._target.route.value
        self._board.faults.lines.came(route, socket, lambda: feed.accounts_of(socket))

    def allows(self, control: bool, now_s: float) -> bool:
        if self._messages.take(now_s):
            return True
        self._board.flooded(self._socket)
        return False

    def received(self, text: str) -> None:
        answer = self._control.receive(text)
        self._socket.send_text(answer.message)
        if answer.close:
            self._socket.close(POLICY_VIOLATION, "Invalid JSON")

    def closed(self) -> None:
        self._board.faults.lines.gone(self._socket)
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
