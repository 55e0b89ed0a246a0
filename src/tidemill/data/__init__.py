"""Dataset versions: DVC's, in git; a run records the one it read."""

from tidemill.data.add import add_data
from tidemill.data.dvc import Dvc
from tidemill.data.model import AddRequest, DatasetStatus, DatasetVersion, DataState, Transfer
from tidemill.data.status import current_version, data_status
from tidemill.data.transfer import pull, push
from tidemill.data.versions import VersionPage, dataset_version, list_versions
from tidemill.data.warm_dvc import WarmDvc

__all__ = [
    "AddRequest",
    "DataState",
    "DatasetStatus",
    "DatasetVersion",
    "Dvc",
    "Transfer",
    "VersionPage",
    "WarmDvc",
    "add_data",
    "current_version",
    "data_status",
    "dataset_version",
    "list_versions",
    "pull",
    "push",
]
