"""Turns YAML text into rules, and every fault in it into a sentence with its line.

Decides nothing about alerts.
"""
