"""Codecs for models: scikit-learn by skops when that is safe and exact, boosters in their own formats."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from typing import Any, Dict

from tidemill_runtime.step.codecs.contract import Scene, is_exactly

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)


class SkopsCodec:
    """Estimators that skops loads with the types that it trusts by itself."""

    name = "skops"

    def takes(self, value: object) -> bool:
        base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
        return base is not None and isinstance(value, base)

    def write(self, value: Any, path: str, scene: Scene) -> None:
        import skops.io

        skops.io.dump(value, path)
        make_reproducible(path)
        untrusted = skops.io.get_untrusted_types(file=path)
        if untrusted:
            raise ValueError(f"types that skops does not trust: {untrusted}")

    def read(self, path: str, scene: Scene) -> Any:
        import skops.io

        return skops.io.load(path)

    def same(self, value: Any, loaded: Any) -> bool:
        import joblib

        return type(value) is type(loaded) and bool(joblib.hash(value) == joblib.hash(loaded))


def make_reproducible(path: str) -> None:
    """Rewrite a skops file without the time and the memory addresses in it, so that equal models are equal bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members.pop("schema.json").decode("utf-8")
    numbers: Dict[str, str] = {}
    for found in re.finditer(r'"__id__": (\d+)', schema):
        numbers.setdefault(found[1], str(len(numbers) + 1))
    files = {
        name: f"{numbers.get(name.partition('.')[0], name.partition('.')[0])}.{name.partition('.')[2]}"
        for name in members
    }
    schema = re.sub(r'"__id__": (\d+)', lambda found: f'"__id__": {numbers[found[1]]}', schema)
    schema = re.sub(r'"file": ("[^"]*")', lambda found: f'"file": {_renamed(found[1], files)}', schema)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("schema.json", _FIRST_DATE), schema)
        for name in sorted(members, key=lambda name: files[name]):
            archive.writestr(zipfile.ZipInfo(files[name], _FIRST_DATE), members[name])


def _renamed(quoted: str, files: Dict[str, str]) -> str:
    name = json.loads(quoted)
    return json.dumps(files.get(name, name))


class XgboostCodec:
    """`xgboost.Booster` as UBJSON."""

    name = "xgboost"

    def takes(self, value: object) -> bool:
        return is_exactly(value, "xgboost", "Booster")

    def write(self, value: Any, path: str, scene: Scene) -> None:
        with open(path, "wb") as file:
            file.write(value.save_raw("ubj"))

    def read(self, path: str, scene: Scene) -> Any:
        import xgboost  # type: ignore[import-not-found,unused-ignore]  # only where the notebook has it

        booster = xgboost.Booster()
        with open(path, "rb") as file:
            booster.load_model(bytearray(file.read()))
        return booster

    def same(self, value: Any, loaded: Any) -> bool:
        return bool(value.save_raw("ubj") == loaded.save_raw("ubj"))


class LightgbmCodec:
    """`lightgbm.Booster` as its model text."""

    name = "lightgbm"

    def takes(self, value: object) -> bool:
        return is_exactly(value, "lightgbm", "Booster")

    def write(self, value: Any, path: str, scene: Scene) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(value.model_to_string(num_iteration=-1))

    def read(self, path: str, scene: Scene) -> Any:
        import lightgbm  # type: ignore[import-not-found,unused-ignore]  # only where the notebook has it

        with open(path, encoding="utf-8") as file:
            return lightgbm.Booster(model_str=file.read())

    def same(self, value: Any, loaded: Any) -> bool:
        return bool(value.model_to_string(num_iteration=-1) == loaded.model_to_string(num_iteration=-1))
