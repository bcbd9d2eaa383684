"""How pages write times and numbers."""
