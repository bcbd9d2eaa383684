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
from jobs.api.schedules import SchedulesView, ScheduleView
from jobs.api.training import (
    TrainingApproveView,
    TrainingCancelView,
    TrainingLogView,
    TrainingRejectView,
    TrainingRunsView,
    TrainingRunView,
)

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
    path("training/", TrainingRunsView.as_view()),
    path("training/<str:id>/", TrainingRunView.as_view()),
    path("training/<str:id>/approve", TrainingApproveView.as_view()),
    path("training/<str:id>/reject", TrainingRejectView.as_view()),
    path("training/<str:id>/cancel", TrainingCancelView.as_view()),
    path("training/<str:id>/log", TrainingLogView.as_view()),
    path("schedules/", SchedulesView.as_view()),
    path("schedules/<str:name>/", ScheduleView.as_view()),
]
