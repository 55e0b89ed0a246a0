"""Load a PipelineSpec: strict, checked, typed."""

from __future__ import annotations

from tidemill.pipelines.model import Pipeline


def load_pipeline(data: bytes | str, *, place: str) -> Pipeline:
    """Load a KFP v2 PipelineSpec (schema 2.1.0) from YAML or JSON, with an optional second PlatformSpec document.

    `place` names the file in messages. Whatever is wrong with the text raises `InvalidInput` with the field's path.
    """
    raise NotImplementedError
