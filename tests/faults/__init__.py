"""Real faults on real processes: what must hold is read from what clients saw and what Postgres kept."""
