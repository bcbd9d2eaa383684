"""The addresses of the pages of jobs."""

from django.contrib import admin
from django.urls import path
from django.views.generic import View

from jobs.admin.batches import BatchesView, QueryView, UploadView
from jobs.admin.example import ExampleView
from jobs.admin.job import ActView, DownloadView, JobView
from jobs.admin.replay import ReplayView
from jobs.admin.run import DecideView, RunView
from jobs.admin.schedules import ScheduleActView, SchedulesView, ScheduleView
from jobs.admin.trainings import StartView, TrainingsView

app_name = "jobs"


def _page(route: str, view: type[View], name: str):
    return path(route, admin.site.admin_view(view.as_view()), name=name)


urlpatterns = [
    _page("jobs/", BatchesView, "batches"),
    _page("jobs/upload/", UploadView, "upload"),
    _page("jobs/query/", QueryView, "query"),
    _page("jobs/examples/<str:slug>.csv", ExampleView, "example"),
    _page("jobs/<uuid:id>/", JobView, "job"),
    _page("jobs/<uuid:id>/report/", ReplayView, "report"),
    _page("jobs/<uuid:id>/download/<str:format>/", DownloadView, "download"),
    _page("jobs/<uuid:id>/<str:action>/", ActView, "act"),
    _page("trainings/", TrainingsView, "trainings"),
    _page("trainings/start/", StartView, "start"),
    _page("trainings/<uuid:id>/", RunView, "run"),
    _page("trainings/<uuid:id>/<str:action>/", DecideView, "decide"),
    _page("schedules/", SchedulesView, "schedules"),
    _page("schedules/<str:name>/", ScheduleView, "schedule"),
    _page("schedules/<str:name>/<str:action>/", ScheduleActView, "schedule_act"),
]
