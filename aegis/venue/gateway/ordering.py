"""The rows of the endpoint tables that are about orders: REST paths and WebSocket API methods.

``rest`` and ``wsapi`` take them into their tables. Weights are those of the exchange's documents
(section "Orders" and "Algo orders"); a batch counts five orders in ten seconds, one in a minute.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.gateway import algo_orders, batches, order_queries, trading
from aegis.venue.gateway.calls import Endpoint, Security
from aegis.venue.gateway.market_data import by_symbol

SIGNED: Final = Security.SIGNED
BATCH: Final = 5

ORDERS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "/fapi/v1/order"): Endpoint(
        trading.place, 0, SIGNED, command=True, order=True, tallied=True
    ),
    ("POST", "/fapi/v1/order/test"): Endpoint(trading.test, 0, SIGNED, order=True),
    ("PUT", "/fapi/v1/order"): Endpoint(
        trading.amend, 0, SIGNED, command=True, order=True, tallied=True
    ),
    ("DELETE", "/fapi/v1/order"): Endpoint(trading.cancel, 1, SIGNED, command=True, tallied=True),
    ("GET", "/fapi/v1/order"): Endpoint(order_queries.query, 1, SIGNED),
    ("POST", "/fapi/v1/batchOrders"): Endpoint(
        batches.place_batch, BATCH, SIGNED, command=True, order=True, per_10s=BATCH
    ),
    ("PUT", "/fapi/v1/batchOrders"): Endpoint(
        batches.amend_batch, BATCH, SIGNED, command=True, order=True, per_10s=BATCH
    ),
    ("DELETE", "/fapi/v1/batchOrders"): Endpoint(batches.cancel_batch, 1, SIGNED, command=True),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(trading.cancel_all, 1, SIGNED, command=True),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(trading.countdown, 10, SIGNED),
    ("GET", "/fapi/v1/openOrder"): Endpoint(order_queries.query_open, 1, SIGNED),
    ("GET", "/fapi/v1/openOrders"): Endpoint(order_queries.open_orders, by_symbol(1, 40), SIGNED),
    ("GET", "/fapi/v1/allOrders"): Endpoint(order_queries.all_orders, 5, SIGNED),
    ("GET", "/fapi/v1/orderAmendment"): Endpoint(order_queries.amendments, 1, SIGNED),
    ("GET", "/fapi/v1/forceOrders"): Endpoint(
        order_queries.force_orders, by_symbol(20, 50), SIGNED
    ),
    ("GET", "/fapi/v1/userTrades"): Endpoint(order_queries.user_trades, 5, SIGNED),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(order_queries.order_rate_limit, 1, SIGNED),
    ("POST", "/fapi/v1/algoOrder"): Endpoint(
        algo_orders.place, 0, SIGNED, command=True, order=True
    ),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(algo_orders.cancel, 1, SIGNED, command=True),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(
        algo_orders.cancel_all, 1, SIGNED, command=True
    ),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(algo_orders.query, 1, SIGNED),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(algo_orders.open_orders, by_symbol(1, 40), SIGNED),
    ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(algo_orders.all_orders, 5, SIGNED),
}

ORDER_METHODS: Final[dict[str, Endpoint]] = {
    "order.place": Endpoint(trading.place, 0, SIGNED, command=True, order=True, tallied=True),
    "order.modify": Endpoint(
        trading.amend_by_wsapi, 0, SIGNED, command=True, order=True, tallied=True
    ),
    "order.cancel": Endpoint(trading.cancel, 1, SIGNED, command=True, tallied=True),
    "order.status": Endpoint(order_queries.query, 1, SIGNED),
    "algoOrder.place": Endpoint(algo_orders.place, 0, SIGNED, command=True, order=True),
    "algoOrder.cancel": Endpoint(algo_orders.cancel, 1, SIGNED, command=True),
}
