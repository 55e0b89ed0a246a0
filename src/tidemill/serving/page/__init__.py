"""The page of a service: a form for people without a client."""

from tidemill.serving.page.render import page_file, service_page

__all__ = ["page_file", "service_page"]
