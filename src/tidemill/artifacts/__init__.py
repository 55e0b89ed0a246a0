"""Artifacts: content-addressed blobs, what made them and what used them, and pins that keep them."""

from tidemill.artifacts.blobs import ArtifactStore
from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.find import artifact, list_artifacts
from tidemill.artifacts.folder_store import FolderStore
from tidemill.artifacts.ingest import ingest, ingest_bytes
from tidemill.artifacts.lineage import lineage_of, task_artifacts
from tidemill.artifacts.memory_store import MemoryStore
from tidemill.artifacts.model import Artifact, Content, ContentKind, Direction, Edge, Lineage, NewArtifact, Page
from tidemill.artifacts.pin import pin, pins_of, unpin
from tidemill.artifacts.read import blob_store, materialize, open_blob, read_bytes, verify
from tidemill.artifacts.record import record_artifact, record_edges

__all__ = [
    "Artifact",
    "ArtifactStore",
    "Content",
    "ContentKind",
    "CorruptArtifact",
    "Direction",
    "Edge",
    "FolderStore",
    "Lineage",
    "MemoryStore",
    "NewArtifact",
    "Page",
    "artifact",
    "blob_store",
    "ingest",
    "ingest_bytes",
    "lineage_of",
    "list_artifacts",
    "materialize",
    "open_blob",
    "pin",
    "pins_of",
    "read_bytes",
    "record_artifact",
    "record_edges",
    "task_artifacts",
    "unpin",
    "verify",
]
