"""The gateway: Envoy on the public port, told by files which path leads where; switched without losing a request."""

from tidemill.serving.gateway.envoy import Gateway
from tidemill.serving.gateway.figures import Figures
from tidemill.serving.gateway.model import Access, GatewayPlace, ServiceRoute, Target
from tidemill.serving.gateway.place import gateway_argv, gateway_place, prepare_gateway

__all__ = [
    "Access",
    "Figures",
    "Gateway",
    "GatewayPlace",
    "ServiceRoute",
    "Target",
    "gateway_argv",
    "gateway_place",
    "prepare_gateway",
]
