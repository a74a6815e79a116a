"""YAML text becomes rules, and every fault of it a sentence with its line.

Decides nothing about alerts.
"""
