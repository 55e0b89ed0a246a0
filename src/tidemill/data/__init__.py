"""Dataset versions: DVC's, in git; a run records the one it read."""

from tidemill.data.add import add_data
from tidemill.data.bind import bind_file
from tidemill.data.data_site import DataSite
from tidemill.data.dvc import Dvc
from tidemill.data.environment import handed_over, own_umask
from tidemill.data.model import (
    Added,
    AddRequest,
    DataOffer,
    DatasetStatus,
    DatasetVersion,
    DataState,
    KnownVersion,
    SeenVersion,
    Transfer,
)
from tidemill.data.own_site import OwnSite
from tidemill.data.record import record_version
from tidemill.data.site_dvc import SiteDvc, dvc_socket
from tidemill.data.status import current_version, data_status, versioned_files
from tidemill.data.transfer import pull, push
from tidemill.data.versions import VersionPage, dataset_version, list_versions
from tidemill.data.warm_dvc import WarmDvc

# fmt: off
__all__ = [
    "AddRequest", "Added", "DataOffer", "DataSite", "DataState", "DatasetStatus", "DatasetVersion", "Dvc",
    "KnownVersion", "OwnSite", "SeenVersion", "SiteDvc", "Transfer", "VersionPage", "WarmDvc", "add_data", "bind_file",
    "current_version", "data_status", "dataset_version", "dvc_socket", "handed_over", "list_versions", "own_umask",
    "pull", "push", "record_version", "versioned_files",
]
# fmt: on
