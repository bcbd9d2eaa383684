"""Migrations of the jobs tables."""
