"""Training: for git (`train`), and as runs that select data, fit, judge, publish and promote.

What runs in the limited process knows no Django: `version`. What works on a run's row does: `runs` and its steps.
"""
