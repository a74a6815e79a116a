"""Drivers fail, and those who call them have to live with it."""
