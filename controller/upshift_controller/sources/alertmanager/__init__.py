"""Alertmanager: what it sends (`payload`), what it is asked (`api`), and which of its alerts have
resolved unseen (`absences`).
"""
