"""Every HTTP route, of both lanes, so that the OpenAPI document shows all."""

from django.contrib import admin
from django.urls import include, path

from project.docs import DocumentView, PageView
from project.health import LivezView, ReadyzView

urlpatterns = [
    path("livez", LivezView.as_view()),
    path("readyz", ReadyzView.as_view()),
    path("api/schema/", DocumentView.as_view(), name="schema"),
    path("api/docs/", PageView.as_view(url_name="schema"), name="docs"),
    path("api/v1/", include("inference.api.urls")),
    path("", admin.site.urls),
]
