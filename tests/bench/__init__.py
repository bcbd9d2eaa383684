"""What Foretell's answers cost, as ratios to references measured in the same run: `python -m tests.bench`.

Absolute numbers belong to the machine they were taken on; ratios travel. So every stage runs between two runs of its
reference, at least five such pairs give a median with its range, and nothing here ever fails: it prints.
"""
