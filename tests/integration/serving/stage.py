"""A serving stage for tests: Envoy, predictors of small models, and a pointer that the test moves by hand."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from filecmp import cmpfiles
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import httpx
from tests.conftest import People
from tests.integration.predict.running import ROOT, until
from tests.unit.predict.packages import make_package

from tidemill.base.home import make_sockets_folder
from tidemill.base.site import Site
from tidemill.monitoring import record_predictions, recorder_socket
from tidemill.serving import Access, Service, ServiceSpec, apply_service, get_service
from tidemill.serving.gateway import Gateway, gateway_argv, prepare_gateway
from tidemill.serving.host import Forker, ProcessHost
from tidemill.serving.predictors import ProvenPredictors
from tidemill.serving.reconcile import Reconciler
from tidemill.serving.rollout import RolloutPlan
from tidemill.serving.source import Prepared, Proven, Wanted
from tidemill_runtime.model_package import file_digest


class HandMovedSource:
    """A model source whose pointer the test moves; versions are packages of small models.

    Each move is a generation, and forward unless it goes `back`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions: dict[str, Path] = {}
        self._moves: dict[str, list[tuple[str, bool]]] = {}
        self.digests: dict[str, str] = {}
        self.break_package = False
        self.recorded_offset = 0.0

    def add(self, version: str, model: Any) -> None:
        """Make a version, or make it anew."""
        shutil.rmtree(self._folder / version, ignore_errors=True)
        self._versions[version] = make_package(self._folder / version, model)

    def point(self, service: str, version: str, *, back: bool = False) -> None:
        """Move the live pointer of a service."""
        moves = self._moves.setdefault(service, [])
        if not moves or moves[-1][0] != version:
            moves.append((version, not back))

    def wanted(self, service: Service) -> Wanted | None:
        moves = self._moves.get(service.name)
        if not moves:
            return None
        version, by_steps = moves[-1]
        return Wanted(
            version=self.proven(service, version),
            label=f"car@{version}",
            moved_by="ada",
            generation=len(moves),
            by_steps=by_steps,
        )

    def before(self, service: Service, generation: int) -> Proven | None:
        return self.proven(service, self._moves[service.name][generation - 2][0]) if generation > 1 else None

    def take_back(self, service: Service, model_version_id: str, generation: int) -> None:
        self.point(service.name, model_version_id, back=True)

    def proven(self, service: Service, model_version_id: str) -> Proven:
        return Proven(
            namespace_id=service.namespace_id,
            model_version_id=model_version_id,
            package_digest=self.digests.get(model_version_id, f"package of {model_version_id}"),
        )

    def prepare(self, version: Proven, folder: Path) -> Prepared:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._versions[version.model_version_id], folder)
        digest = file_digest(folder / "model.json")
        if self.break_package:
            (folder / "model.pickle").write_bytes(b"")
        return Prepared(
            python=Path(sys.executable),
            runtime=ROOT / "src",
            late_paths=(ROOT,),
            package=folder,
            model_digest=digest,
            allow_pickle=True,
        )

    def is_intact(self, version: Proven, folder: Path) -> bool:
        names = [path.name for path in self._versions[version.model_version_id].iterdir() if path.is_file()]
        match, _, _ = cmpfiles(self._versions[version.model_version_id], folder, names, shallow=False)
        return match == names

    def document(self, version: Proven) -> dict[str, Any]:
        found = dict(json.loads((self._versions[version.model_version_id] / "model.json").read_text()))
        found["sample"]["outputs"] = [answer + self.recorded_offset for answer in found["sample"]["outputs"]]
        return found


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"server {self.path} {self.headers.get('authorization')}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Stage:
    """The pieces of a running stage."""

    def __init__(self, site: Site, people: People, folder: Path, url: str, gateway: Gateway) -> None:
        self.site = site
        self.people = people
        self.gateway = gateway
        self.source = HandMovedSource(folder)
        self.host = ProcessHost(Forker(folder / "zygotes.log"))
        self.lead_anew()
        self.client = httpx.Client(base_url=url, timeout=30)
        self.url = url

    def lead_anew(self) -> None:
        """Another controller takes over: the predictors run on, and it remembers nothing."""
        predictors = ProvenPredictors(self.site, self.source, self.host, log_socket=recorder_socket(self.site))
        self.reconciler = Reconciler(self.site, self.source, predictors, self.gateway)

    def apply(self, name: str = "car", access: Access = Access.OPEN, rollout: RolloutPlan | None = None) -> Service:
        """Make a service."""
        spec = ServiceSpec(name=name, access=access, rollout=rollout or RolloutPlan())
        return apply_service(self.site, self.people.author, spec)

    def reconcile(self, name: str = "car") -> Service:
        """One round of a service; the service afterwards."""
        self.reconciler.reconcile(get_service(self.site, self.people.author, name))
        self.reconciler.sync()
        return get_service(self.site, self.people.author, name)

    def predict(self, row: list[float], name: str = "car", **headers: str) -> httpx.Response:
        """One prediction through the gateway."""
        path = f"/serving/default/{name}/v1/models/{name}:predict"
        return self.client.post(path, json={"instances": [row]}, headers=headers)


@contextmanager
def open_stage(site: Site, people: People, folder: Path) -> Iterator[Stage]:
    """Envoy, a server behind it, a recorder and no service yet."""
    sockets = make_sockets_folder(site.home)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    place = prepare_gateway(site, address="127.0.0.1", port=port, server_socket=sockets / "server.sock")
    server = _Server(str(sockets / "server.sock"), _Answer)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    stop = threading.Event()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(recorder_socket(site)))
    listener.listen()
    recording = threading.Thread(target=record_predictions, args=(site, stop, listener))
    recording.start()
    with (folder / "envoy.log").open("wb") as log:
        envoy = subprocess.Popen(gateway_argv(place), stderr=log, stdout=log)
    gateway = Gateway(place, sockets / "server.sock")
    until(gateway.is_live)
    stage = Stage(site, people, folder, f"http://127.0.0.1:{port}", gateway)
    try:
        yield stage
    finally:
        stage.client.close()
        stage.host.close()
        envoy.terminate()
        envoy.wait(20)
        server.shutdown()
        server.server_close()
        serving.join()
        stop.set()
        recording.join(20)
        listener.close()
        shutil.rmtree(sockets)
