"""Artifacts: content-addressed blobs, what made them and what used them, and pins that keep them.

Also public: `blobs` (the contract of a store), `folder_store`, `memory_store`, `record`, `pin`, `lineage`.
"""

from tidemill.artifacts.blobs import ArtifactStore
from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.find import artifact, list_artifacts
from tidemill.artifacts.ingest import ingest, ingest_bytes
from tidemill.artifacts.lineage import lineage_of
from tidemill.artifacts.model import Artifact, Content, ContentKind, Direction, Edge, NewArtifact, Page
from tidemill.artifacts.pin import pin, unpin
from tidemill.artifacts.read import blob_store, materialize, read_bytes, verify
from tidemill.artifacts.record import record_artifact, record_edges

# fmt: off
__all__ = [
    "Artifact", "ArtifactStore", "Content", "ContentKind", "CorruptArtifact", "Direction", "Edge", "NewArtifact",
    "Page", "artifact", "blob_store", "ingest", "ingest_bytes", "lineage_of", "list_artifacts", "materialize", "pin",
    "read_bytes", "record_artifact", "record_edges", "unpin", "verify",
]
# fmt: on
