"""The routes of `/api/v1/`. The express lane reads its dispatch table from them."""

from django.urls import path

from inference.api.feedback import FeedbackBatchView, FeedbackView
from inference.api.views import EndpointsView, EndpointView, PredictionView, PredictView

urlpatterns = [
    path("endpoints/", EndpointsView.as_view()),
    path("endpoints/<str:endpoint>/", EndpointView.as_view()),
    path("endpoints/<str:endpoint>/predict", PredictView.as_view()),
    path("predictions/feedback", FeedbackBatchView.as_view()),
    path("predictions/<str:id>", PredictionView.as_view()),
    path("predictions/<str:id>/feedback", FeedbackView.as_view()),
]
