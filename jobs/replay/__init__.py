"""Replays: what a version says now beside what was answered then."""
