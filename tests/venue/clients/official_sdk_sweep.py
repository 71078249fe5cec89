"""Every REST method that the official SDK has: answered in its own types, or refused as documented.

A chapter of ``official_sdk``. The other chapters say what the answers mean; this one leaves nothing
out, and finds the method that a new version of the SDK adds.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from binance_common.errors import BadRequestError, NotFoundError

from tests.venue.clients.session import Figures
from tests.venue.clients.shapes import fits

# What a method is called with where it wants more than nothing.
GIVEN: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "interval": "1m",
    "period": "5m",
    "contract_type": "PERPETUAL",
    "side": "BUY",
    "countdown_time": 0,
    "multi_assets_margin": "true",
    "fee_burn": "true",
}
# Orders and account settings have chapters of their own.
ELSEWHERE = frozenset(
    {
        "auto_cancel_all_open_orders", "cancel_algo_order", "cancel_multiple_orders",
        "cancel_order", "change_initial_leverage", "change_margin_type", "change_position_mode",
        "modify_isolated_position_margin", "modify_multiple_orders", "modify_order",
        "new_algo_order", "new_order", "place_multiple_orders", "query_algo_order",
        "query_current_open_order", "query_order", "start_user_data_stream",
        "keepalive_user_data_stream", "close_user_data_stream", "change_multi_assets_mode",
        "send_request", "send_signed_request", "test_order", "get_order_modify_history",
    }
)  # fmt: skip
# Convert, portfolio margin, stock contracts and files to download are not this venue's business.
REFUSED = {
    "accept_the_offered_quote": -5000,
    "classic_portfolio_margin_account_information": -5000,
    "futures_tradfi_perps_contract": -5000,
    "list_all_convert_pairs": -5000,
    "order_status": -5000,
    "send_quote_request": -5000,
    "get_download_id_for_futures_order_history": -4084,
    "get_download_id_for_futures_trade_history": -4084,
    "get_download_id_for_futures_transaction_history": -4084,
    "get_futures_order_history_download_link_by_id": -4084,
    "get_futures_trade_download_link_by_id": -4084,
    "get_futures_transaction_history_download_link_by_id": -4084,
}
# Its model has a field for each symbol of the documents' example, and for no other.
OF_ONE_SYMBOL = "futures_trading_quantitative_rules_indicators"


async def every_method(scene: Any) -> Figures:
    """Call all methods of the REST client that are nobody else's; every problem is told at once."""
    found: list[str] = []
    answered = 0
    for name, method in inspect.getmembers(scene.rest, inspect.ismethod):
        if name.startswith("_") or name in ELSEWHERE:
            continue
        try:
            reply = await asyncio.to_thread(method, **_arguments(method))
            if name in REFUSED:
                found.append(f"{name}: {REFUSED[name]} was expected")
            data = reply.data()
            if data and name != OF_ONE_SYMBOL and (not isinstance(data, list) or _of_models(data)):
                fits(data)
            answered += 1
        except (BadRequestError, NotFoundError) as error:
            if REFUSED.get(name) != error.status_code:
                found.append(f"{name}: {error}")
        except AssertionError as error:
            found.append(f"{name}: {error}")
    found += scene.complaints.take()
    assert not found, "\n".join(found)
    return {"answered": answered, "refused": len(REFUSED)}


def _arguments(method: Any) -> dict[str, Any]:
    """A value for each parameter without a default, by its name."""
    parameters = inspect.signature(method).parameters.values()
    wanted = [item.name for item in parameters if item.default is inspect.Parameter.empty]
    return {name: GIVEN.get(name, 1) for name in wanted}


def _of_models(data: list[Any]) -> bool:
    """A list that has rows which are not plain rows, as klines are."""
    return bool(data) and not isinstance(data[0], list)
