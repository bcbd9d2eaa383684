"""The pages of jobs: batch predictions, their reports, trainings and schedules. Nothing of it is in Django's admin."""
