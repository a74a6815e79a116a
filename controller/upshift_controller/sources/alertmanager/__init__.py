"""Alertmanager: what it sends (`payload`), what it lists (`lists`), and what of that is news
(`level`).
"""
