"""The rows of the endpoint tables that are about accounts: REST paths and WebSocket API methods.

``rest`` and ``wsapi`` take them into their tables. Weights are those of the exchange's documents
(section "Account").
"""

from __future__ import annotations

from typing import Final

from aegis.venue.gateway import accounts
from aegis.venue.gateway.calls import Endpoint, Security
from aegis.venue.gateway.market_data import by_symbol

SIGNED: Final = Security.SIGNED
KEY: Final = Security.KEY
DOWNLOAD: Final = Endpoint(accounts.no_download, 1_000, SIGNED)
DOWNLOAD_LINK: Final = Endpoint(accounts.no_download, 10, SIGNED)

MONEY: Final[dict[tuple[str, str], Endpoint]] = {
    ("GET", "/fapi/v2/balance"): Endpoint(accounts.balance_v2, 5, SIGNED),
    ("GET", "/fapi/v3/balance"): Endpoint(accounts.balance, 5, SIGNED),
    ("GET", "/fapi/v2/account"): Endpoint(accounts.account_v2, 5, SIGNED),
    ("GET", "/fapi/v3/account"): Endpoint(accounts.account_v3, 5, SIGNED),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(accounts.position_risk_v2, 5, SIGNED),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(accounts.position_risk_v3, 5, SIGNED),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(accounts.account_config, 5, SIGNED),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(accounts.symbol_config, 5, SIGNED),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(accounts.commission_rate, 20, SIGNED),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(accounts.leverage_brackets, 1, SIGNED),
    ("GET", "/fapi/v1/adlQuantile"): Endpoint(accounts.adl_quantile, 5, SIGNED),
    ("GET", "/fapi/v1/apiTradingStatus"): Endpoint(
        accounts.trading_status, by_symbol(1, 10), SIGNED
    ),
    ("GET", "/fapi/v1/income"): Endpoint(accounts.income, 30, SIGNED),
    ("POST", "/fapi/v1/leverage"): Endpoint(accounts.set_leverage, 1, SIGNED, command=True),
    ("POST", "/fapi/v1/marginType"): Endpoint(accounts.set_margin_type, 1, SIGNED, command=True),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(accounts.change_margin, 1, SIGNED, command=True),
    ("GET", "/fapi/v1/positionMargin/history"): Endpoint(accounts.margin_history, 1, SIGNED),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(accounts.position_mode, 30, SIGNED),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(
        accounts.set_position_mode, 1, SIGNED, command=True
    ),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(accounts.asset_mode, 30, SIGNED),
    ("POST", "/fapi/v1/multiAssetsMargin"): Endpoint(
        accounts.set_asset_mode, 1, SIGNED, command=True
    ),
    ("GET", "/fapi/v1/feeBurn"): Endpoint(accounts.fee_burn, 30, SIGNED),
    ("POST", "/fapi/v1/feeBurn"): Endpoint(accounts.set_fee_burn, 1, SIGNED, command=True),
    ("GET", "/fapi/v1/income/asyn"): DOWNLOAD,
    ("GET", "/fapi/v1/order/asyn"): DOWNLOAD,
    ("GET", "/fapi/v1/trade/asyn"): DOWNLOAD,
    ("GET", "/fapi/v1/income/asyn/id"): DOWNLOAD_LINK,
    ("GET", "/fapi/v1/order/asyn/id"): DOWNLOAD_LINK,
    ("GET", "/fapi/v1/trade/asyn/id"): DOWNLOAD_LINK,
    ("POST", "/fapi/v1/listenKey"): Endpoint(accounts.open_listen_key, 1, KEY),
    ("PUT", "/fapi/v1/listenKey"): Endpoint(accounts.extend_listen_key, 1, KEY),
    ("DELETE", "/fapi/v1/listenKey"): Endpoint(accounts.close_listen_key, 1, KEY),
}

MONEY_METHODS: Final[dict[str, Endpoint]] = {
    "account.status": Endpoint(accounts.account_v2, 5, SIGNED),
    "v2/account.status": Endpoint(accounts.account_status_v2, 5, SIGNED),
    "account.balance": Endpoint(accounts.balance_v2, 5, SIGNED),
    "v2/account.balance": Endpoint(accounts.balance, 5, SIGNED),
    "account.position": Endpoint(accounts.position_risk_v2, 5, SIGNED),
    "v2/account.position": Endpoint(accounts.position_risk_v3, 5, SIGNED),
    "userDataStream.start": Endpoint(accounts.open_listen_key, 5, KEY),
    "userDataStream.ping": Endpoint(accounts.extend_listen_key, 5, KEY),
    "userDataStream.stop": Endpoint(accounts.close_listen_key, 5, KEY),
}
