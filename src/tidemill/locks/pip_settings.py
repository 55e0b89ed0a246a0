"""The machine's pip settings (PIP_* variables and pip.conf files), as uv is to get them.

Order and meaning follow https://pip.pypa.io/en/stable/topics/configuration/: files from global to site, `[install]`
over `[global]`, variables over files.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tidemill.locks.model import Indexes

_SECTIONS = ("global", "install")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipSettings:
    """Where packages come from and how to get there; empty means: as uv does by itself."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    timeout_seconds: str | None = None
    no_index: bool = False


def read_pip_settings(environ: Mapping[str, str], files: Iterable[Path]) -> PipSettings:
    """The settings that pip itself would use; unreadable and malformed files count as absent, as a guest's would."""
    found: dict[str, str] = {}
    parsed = [parser for parser in map(_parse, files) if parser is not None]
    for section in _SECTIONS:
        for parser in parsed:
            if parser.has_section(section):
                found.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            found[name[4:].lower().replace("_", "-")] = value
    return PipSettings(
        index_url=found.get("index-url") or None,
        extra_index_urls=_many(found.get("extra-index-url")),
        find_links=_many(found.get("find-links")),
        trusted_hosts=_many(found.get("trusted-host")),
        cert=found.get("cert") or None,
        client_cert=found.get("client-cert") or None,
        proxy=found.get("proxy") or None,
        timeout_seconds=found.get("timeout", found.get("default-timeout")) or None,
        no_index=found.get("no-index", "").lower() in ("1", "true", "yes", "on"),
    )


def pip_files(environ: Mapping[str, str], prefix: Path) -> list[Path]:
    """The files that pip reads on this system, weakest first; `PIP_CONFIG_FILE=/dev/null` switches all of them off."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(environ.get("HOME") or Path.home())
    shared = [Path(folder) / "pip" for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    files = [*(folder / "pip.conf" for folder in reversed(shared)), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", own / "pip.conf", prefix / "pip.conf"]
    return [*files, Path(named)] if named else files


def with_indexes(settings: PipSettings, indexes: Indexes) -> PipSettings:
    """The machine's settings with what a component asks for, as options on pip's command line would act."""
    return replace(
        settings,
        index_url=indexes.index_url or settings.index_url,
        extra_index_urls=(*settings.extra_index_urls, *indexes.extra_index_urls),
        trusted_hosts=(*settings.trusted_hosts, *indexes.trusted_hosts),
        no_index=settings.no_index and not (indexes.index_url or indexes.extra_index_urls),
    )


def without_missing_folders(settings: PipSettings) -> PipSettings:
    """The settings less the local folders that do not exist: pip passes over them, uv would stop.

    Paths become absolute, since uv runs in another folder.
    """
    return replace(
        settings,
        index_url=None if settings.index_url is None else _absolute(settings.index_url),
        extra_index_urls=tuple(_absolute(url) for url in settings.extra_index_urls if _exists(url)),
        find_links=tuple(_absolute(place) for place in settings.find_links if _exists(place)),
    )


def without_extra(settings: PipSettings, address: str) -> PipSettings:
    """The settings less one extra index or place of links."""
    return replace(
        settings,
        extra_index_urls=tuple(url for url in settings.extra_index_urls if url != address),
        find_links=tuple(place for place in settings.find_links if place != address),
    )


def without_default_index(settings: PipSettings) -> PipSettings:
    """The settings with the first extra index in place of the default one; without extra ones, no index at all."""
    if not settings.extra_index_urls:
        return replace(settings, index_url=None, no_index=True)
    return replace(settings, index_url=settings.extra_index_urls[0], extra_index_urls=settings.extra_index_urls[1:])


def uv_variables(settings: PipSettings) -> dict[str, str]:
    """The settings as uv's environment variables; in the environment, since addresses may hold passwords.

    `no_index` is not among them: uv knows only an option for it.
    """
    variables = {
        "UV_DEFAULT_INDEX": settings.index_url or "",
        "UV_INDEX": " ".join(settings.extra_index_urls),
        "UV_FIND_LINKS": ",".join(settings.find_links),
        "UV_INSECURE_HOST": " ".join(_host(host) for host in settings.trusted_hosts),
        "UV_HTTP_TIMEOUT": settings.timeout_seconds or "",
        "SSL_CERT_FILE": settings.cert or "",
        "SSL_CLIENT_CERT": settings.client_cert or "",
        "ALL_PROXY": settings.proxy or "",
        "HTTPS_PROXY": settings.proxy or "",
        "HTTP_PROXY": settings.proxy or "",
        # pip takes the best version of all indexes; uv would stop at the first index that knows the name
        "UV_INDEX_STRATEGY": "unsafe-best-match" if settings.extra_index_urls else "",
    }
    return {name: value for name, value in variables.items() if value}


def _many(value: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((value or "").split()))


def _parse(path: Path) -> configparser.RawConfigParser | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError, configparser.Error):
        return None
    return parser


def _local_folder(address: str) -> Path | None:
    if address.startswith("file://"):
        return Path(unquote(urlsplit(address).path))
    return None if "://" in address else Path(address).expanduser()


def _exists(address: str) -> bool:
    folder = _local_folder(address)
    return folder is None or folder.exists()


def _absolute(address: str) -> str:
    return address if "://" in address else str(Path(address).expanduser().absolute())


def _host(given: str) -> str:
    """Only the host and port: KFP writes whole addresses after `--trusted-host`."""
    return urlsplit(given).netloc if "://" in given else given
