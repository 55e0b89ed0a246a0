"""The released clients of the inference protocols work unmodified: kserve's and tritonclient's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.predict.running import Running, predictor
from tests.unit.predict.models import Linear
from tests.unit.predict.packages import make_package

PEER = os.environ.get("TIDEMILL_PEER_KSERVE", "")
"""A virtual environment with `kserve`, `kubernetes<36` and `tritonclient[http]`."""

pytestmark = pytest.mark.skipif(
    not PEER, reason="TIDEMILL_PEER_KSERVE names no virtual environment with kserve and tritonclient"
)

KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig

async def main(base):
    told = {}
    v1 = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    told["v1_live"] = await v1.is_server_live(base)
    told["v1_model"] = await v1.is_model_ready(base, "car")
    answer = await v1.infer(base, {"instances": [{"wght": 1.0, "year": 2}]}, model_name="car")
    told["v1_infer"] = answer["predictions"]
    v2 = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    told["v2_live"] = await v2.is_server_live(base)
    told["v2_ready"] = await v2.is_server_ready(base)
    told["v2_model"] = await v2.is_model_ready(base, "car")
    told["v2_no_model"] = await v2.is_model_ready(base, "bus")

    def inputs(binary):
        made = []
        for name, kind, value in (("wght", "FP64", 1.0), ("year", "INT64", 2)):
            item = InferInput(name, [1, 1], kind)
            dtype = np.float64 if kind == "FP64" else np.int64
            item.set_data_from_numpy(np.array([[value]], dtype=dtype), binary_data=binary)
            made.append(item)
        return made

    for binary in (False, True):
        request = InferRequest(model_name="car", infer_inputs=inputs(binary), request_id="mine")
        reply = await v2.infer(base, request, model_name="car")
        told[f"v2_infer_{binary}"] = [reply.id, reply.outputs[0].as_numpy().tolist()]
    try:
        await v1.infer(base, {"instances": [["x", 1]]}, model_name="car")
    except Exception as problem:
        told["error"] = f"{type(problem).__name__}: {problem}"
    print(json.dumps(told))

asyncio.run(main(sys.argv[1]))
"""

TRITON = """
import json, sys
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

client = http.InferenceServerClient(sys.argv[1].removeprefix("http://"))
told = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model": client.is_model_ready("car"),
    "version": client.is_model_ready("car", "3"),
    "no_version": client.is_model_ready("car", "9"),
    "server": sorted(client.get_server_metadata()),
    "metadata": client.get_model_metadata("car")["inputs"],
    "config": client.get_model_config("car")["name"],
    "index": client.get_model_repository_index(),
    "statistics": client.get_inference_statistics()["model_stats"][0]["name"],
}
client.load_model("car")

def inputs(binary):
    wght, year = http.InferInput("wght", [2, 1], "FP64"), http.InferInput("year", [2, 1], "INT64")
    wght.set_data_from_numpy(np.array([[1.0], [3.0]]), binary_data=binary)
    year.set_data_from_numpy(np.array([[2], [4]], dtype=np.int64), binary_data=binary)
    return [wght, year]

for binary in (False, True):
    for asked in (None, [http.InferRequestedOutput("predict", binary_data=binary)]):
        for packed in (None, "gzip"):
            more = {"outputs": asked, "request_id": "mine", "request_compression_algorithm": packed}
            reply = client.infer("car", inputs(binary), **more)
            key = f"infer {binary} {asked is not None} {packed}"
            told[key] = [reply.get_response()["id"], reply.as_numpy("predict").tolist()]
for model, outputs in (("bus", None), ("car", [http.InferRequestedOutput("colour")])):
    try:
        client.infer(model, inputs(False), outputs=outputs)
    except InferenceServerException as problem:
        told["error " + model] = str(problem)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with predictor(make_package(tmp_path_factory.mktemp("car") / "p", Linear()), version="3") as running:
        yield running


def run_client(code: str, url: str) -> dict[str, Any]:
    """What a client's session told, as JSON on its last line."""
    done = subprocess.run(
        [str(Path(PEER) / "bin" / "python"), "-W", "ignore", "-c", code, url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def test_the_kserve_client_works_unmodified_in_both_protocols(car: Running) -> None:
    told = run_client(KSERVE, car.url)
    assert told == {
        "v1_live": True,
        "v1_model": True,
        "v1_infer": [3.0],
        "v2_live": True,
        "v2_ready": True,
        "v2_model": True,
        "v2_no_model": False,
        "v2_infer_False": ["mine", [3.0]],
        "v2_infer_True": ["mine", [3.0]],
        "error": told["error"],
    }
    assert "column 'wght' is str 'x', the model takes FP64, '400 Bad Request'" in told["error"]


def test_the_triton_client_works_unmodified_with_json_and_binary_tensors(car: Running) -> None:
    told = run_client(TRITON, car.url)
    flags = {key: told[key] for key in ("live", "ready", "model", "version", "no_version")}
    assert flags == {"live": True, "ready": True, "model": True, "version": True, "no_version": False}
    assert told["metadata"][0] == {"name": "wght", "datatype": "FP64", "shape": [-1, 1]}
    assert told["index"][0]["state"] == "READY"
    answers = [value for key, value in told.items() if key.startswith("infer ")]
    assert answers == [["mine", [3.0, 7.0]]] * 8
    assert told["error bus"].startswith("[404]")
    assert told["error car"].startswith("[400]")
