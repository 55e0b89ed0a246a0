"""What Envoy is told, as plain JSON (envoy.config.*.v3); pure functions of the wanted state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tidemill.serving.gateway.model import Access, GatewayPlace, ServiceRoute, Target

ROUTE_TABLE = "site"
STAT_PREFIX = "public"
SERVER_CLUSTER = "server"
_TYPE = "type.googleapis.com/"
_JWT_FILTER = "envoy.filters.http.jwt_authn"
_RBAC_FILTER = "envoy.filters.http.rbac"
_ANY_TOKEN = "prediction-token"
ISSUER = "tidemill"
SUBJECT_HEADER = "x-tidemill-subject"

# A predictor keeps idle connections for 120 s: the gateway must be the first to close them.
UPSTREAM_IDLE = "60s"
RETRIES = 3
MAX_CONNECTIONS = 8192
# Times are added up this often; counts are there at once.
FLUSH_SECONDS = 1.0
LATENCY_BOUNDS_MS = [
    *(0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600),
    *(800, 1000, 1200, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10_000, 15_000, 20_000, 30_000, 60_000),
    3_600_000,
]


def bootstrap(place: GatewayPlace, *, node: str) -> dict[str, Any]:
    """What Envoy starts with: who it is, its admin socket (0600), and the files it watches."""
    return {
        "node": {"id": node, "cluster": "tidemill"},
        "admin": {"address": {"pipe": {"path": str(place.admin), "mode": 0o600}}},
        "dynamic_resources": {
            "cds_config": _watched(place.clusters),
            "lds_config": _watched(place.listeners),
        },
        "overload_manager": {"resource_monitors": [_connection_limit()]},
        "stats_flush_interval": f"{FLUSH_SECONDS:g}s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": ".upstream_rq_time"}, "buckets": LATENCY_BOUNDS_MS}]
        },
    }


def listener(place: GatewayPlace, *, address: str, port: int) -> dict[str, Any]:
    """The public port: token check, per-route audience check, router; every failure is `{"error": ...}`."""
    manager = {
        "@type": _TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": STAT_PREFIX,
        "rds": {"route_config_name": ROUTE_TABLE, "config_source": _watched(place.routes)},
        "http_filters": [_jwt_filter(place.keys), _rbac_filter(), _router()],
        "use_remote_address": True,
        "normalize_path": True,
        "server_header_transformation": "PASS_THROUGH",
        "request_headers_timeout": "15s",
        "stream_idle_timeout": "300s",
        "common_http_protocol_options": {"idle_timeout": "600s", "max_headers_count": 100},
        "local_reply_config": _local_replies(),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    return {
        "@type": _TYPE + "envoy.config.listener.v3.Listener",
        "name": "public",
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def server_cluster(socket: Path) -> dict[str, Any]:
    """The site's own server, for everything that is no prediction."""
    return _cluster(SERVER_CLUSTER, socket)


def predictor_cluster(target: Target) -> dict[str, Any]:
    """One revision of a service."""
    return _cluster(target.cluster, target.socket)


def route_table(services: Sequence[ServiceRoute]) -> dict[str, Any]:
    """All routes: each service, an error for what lies below /serving and is none, and the server for the rest."""
    routes = [route for service in services if service.targets for route in _service_routes(service)]
    return {
        "@type": _TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": ROUTE_TABLE,
        "virtual_hosts": [
            {
                "name": ROUTE_TABLE,
                "domains": ["*"],
                "routes": [
                    *routes,
                    _no_service(),
                    # the server's event streams have no end: no timeout, the stream's idle timeout holds
                    {"match": {"prefix": "/"}, "route": {"cluster": SERVER_CLUSTER, "timeout": "0s"}},
                ],
            }
        ],
    }


def response(version: str, resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The DiscoveryResponse that a watched file holds."""
    return {"version_info": version, "resources": list(resources)}


def _connection_limit() -> dict[str, Any]:
    name = "envoy.resource_monitors.global_downstream_max_connections"
    kind = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    limit = {"@type": _TYPE + kind, "max_active_downstream_connections": MAX_CONNECTIONS}
    return {"name": name, "typed_config": limit}


def _watched(path: Path) -> dict[str, Any]:
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}},
    }


def _cluster(name: str, socket: Path) -> dict[str, Any]:
    limits = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 8192, "max_retries": 1024}
    protocol = {
        "@type": _TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": _TYPE + "envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}}]},
            ],
        },
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }


def _service_routes(service: ServiceRoute) -> list[dict[str, Any]]:
    base = f"/serving/{service.namespace}/{service.service}"
    return [
        _service_route(service, {"prefix": base + "/"}),
        _service_route(service, {"path": base}),
    ]


def _service_route(service: ServiceRoute, match: dict[str, Any]) -> dict[str, Any]:
    action: dict[str, Any] = {
        "prefix_rewrite": "/",
        "timeout": f"{service.timeout_seconds:g}s",
        # a prediction changes nothing, so one whose predictor died is asked again; its socket outlives it
        "retry_policy": {
            "retry_on": "connect-failure,reset,refused-stream",
            "num_retries": RETRIES,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.5s"},
        },
    }
    if len(service.targets) == 1:
        action["cluster"] = service.targets[0].cluster
    else:
        action["weighted_clusters"] = {
            "clusters": [{"name": target.cluster, "weight": target.weight} for target in service.targets],
            "use_hash_policy": True,
        }
        action["hash_policy"] = _hash_policies(service)
    route: dict[str, Any] = {"match": match, "route": action, "request_headers_to_remove": [SUBJECT_HEADER]}
    if service.access is Access.TOKEN:
        route["typed_per_filter_config"] = {
            _JWT_FILTER: {
                "@type": _TYPE + "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
                "requirement_name": _ANY_TOKEN,
            },
            _RBAC_FILTER: _only_audience(service.audience),
        }
    return route


def _hash_policies(service: ServiceRoute) -> list[dict[str, Any]]:
    """The caller's key, or else its person; mixed with the first target, so that others are inside the next time."""
    headers = [service.sticky_header] if service.sticky_header else []
    if service.access is Access.TOKEN:
        headers.append(SUBJECT_HEADER)
    salted = {"pattern": {"regex": "^.*$"}, "substitution": f"{service.targets[0].cluster}:\\0"}
    return [{"header": {"header_name": name, "regex_rewrite": salted}, "terminal": True} for name in headers]


def _no_service() -> dict[str, Any]:
    return {
        "match": {"prefix": "/serving/"},
        "direct_response": {
            "status": 404,
            "body": {"inline_string": "there is no such service here, or it has no live revision yet"},
        },
    }


def _jwt_filter(keys: Path) -> dict[str, Any]:
    provider = {
        "issuer": ISSUER,
        "local_jwks": {"filename": str(keys), "watched_directory": {"path": str(keys.parent)}},
        "payload_in_metadata": "token",
        "require_expiration": True,
        "clock_skew_seconds": 5,
        # predictors need no tokens, and logs none either
        "forward": False,
        # who keeps to a revision by the person of its token is only known once the token is checked
        "claim_to_headers": [{"header_name": SUBJECT_HEADER, "claim_name": "sub"}],
        "clear_route_cache": True,
    }
    return {
        "name": _JWT_FILTER,
        "typed_config": {
            "@type": _TYPE + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"tidemill": provider},
            "requirement_map": {_ANY_TOKEN: {"provider_name": "tidemill"}},
        },
    }


def _rbac_filter() -> dict[str, Any]:
    return {
        "name": _RBAC_FILTER,
        "typed_config": {"@type": _TYPE + "envoy.extensions.filters.http.rbac.v3.RBAC"},
    }


def _only_audience(audience: str) -> dict[str, Any]:
    matcher = {
        "filter": _JWT_FILTER,
        "path": [{"key": "token"}, {"key": "aud"}],
        "value": {"string_match": {"exact": audience}},
    }
    holder = {"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "DYNAMIC"}}
    policy = {"permissions": [{"any": True}], "principals": [holder]}
    return {
        "@type": _TYPE + "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        "rbac": {"rules": {"action": "ALLOW", "policies": {"audience": policy}}},
    }


def _router() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": _TYPE + "envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }


def _local_replies() -> dict[str, Any]:
    mappers = [
        _mapper(503, {"retry-after": "1"}, ""),
        _mapper(401, {"www-authenticate": "Bearer"}, "a valid prediction token is needed: Authorization: Bearer TOKEN"),
        _mapper(403, {}, "this prediction token is for another service"),
    ]
    # the content type is set here: the KServe client reads errors only from exactly application/json
    body = {"json_format": {"error": "%LOCAL_REPLY_BODY%"}, "content_type": "application/json"}
    return {"mappers": mappers, "body_format": body}


def _mapper(status: int, headers: dict[str, str], body: str) -> dict[str, Any]:
    """What Envoy's own replies of one status carry besides; an empty `body` leaves Envoy's text."""
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"tidemill.reply_{status}"}}
    mapper: dict[str, Any] = {
        "filter": {"status_code_filter": {"comparison": comparison}},
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
    }
    return {**mapper, "body": {"inline_string": body}} if body else mapper
