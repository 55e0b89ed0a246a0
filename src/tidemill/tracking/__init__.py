"""Tracking: MLflow's own server beside the site, started by who asks for it, and what of the site is seen in it."""

from tidemill.tracking.mirror import mlflow_topic
from tidemill.tracking.notice import notice_news
from tidemill.tracking.serve import mlflow_folder, mlflow_socket, serve_mlflow

__all__ = ["mlflow_folder", "mlflow_socket", "mlflow_topic", "notice_news", "serve_mlflow"]
