"""What workers do besides their tasks."""
