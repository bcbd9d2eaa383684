"""What starts by itself, and when."""
