"""Batch jobs: their input is read once and cut into chunks, and each chunk is answered whole or not at all."""
