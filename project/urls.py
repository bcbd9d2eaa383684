"""Every HTTP route, of both lanes, so that the OpenAPI document shows all."""

from django.contrib import admin
from django.urls import include, path

from project.console.login import NewPasswordDoneView, NewPasswordView, ResetDoneView, ResetView, own_password
from project.docs import DocumentView, PageView
from project.health import LivezView, ReadyzView

handler500 = "project.console.refusals.server_error"

urlpatterns = [
    path("livez", LivezView.as_view()),
    path("readyz", ReadyzView.as_view()),
    path("api/schema/", DocumentView.as_view(), name="schema"),
    path("api/docs/", PageView.as_view(url_name="schema"), name="docs"),
    path("api/v1/", include("inference.api.urls")),
    path("api/v1/jobs/", include("jobs.api.urls")),
    path("", include("inference.admin.urls")),
    path("", include("jobs.admin.urls")),
    path("password_reset/", ResetView.as_view(), name="admin_password_reset"),
    path("password_reset/sent/", ResetDoneView.as_view(), name="password_reset_done"),
    path("password_reset/<uidb64>/<token>/", NewPasswordView.as_view(), name="password_reset_confirm"),
    path("password_reset/done/", NewPasswordDoneView.as_view(), name="password_reset_complete"),
    path("password_change/", admin.site.admin_view(own_password, cacheable=True)),
    path("", admin.site.urls),
]
