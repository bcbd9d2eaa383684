"""The routes of `/api/v1/jobs/`."""

from django.urls import path

from jobs.api.batch import (
    BatchCancelView,
    BatchJobsView,
    BatchJobView,
    BatchPauseView,
    BatchResumeView,
    BatchRetryView,
)
from jobs.api.results import BatchDownloadView, BatchReportView, BatchResultsView

urlpatterns = [
    path("batch/", BatchJobsView.as_view()),
    path("batch/<str:id>/", BatchJobView.as_view()),
    path("batch/<str:id>/pause", BatchPauseView.as_view()),
    path("batch/<str:id>/resume", BatchResumeView.as_view()),
    path("batch/<str:id>/cancel", BatchCancelView.as_view()),
    path("batch/<str:id>/retry", BatchRetryView.as_view()),
    path("batch/<str:id>/results", BatchResultsView.as_view()),
    path("batch/<str:id>/download", BatchDownloadView.as_view()),
    path("batch/<str:id>/report", BatchReportView.as_view()),
]
