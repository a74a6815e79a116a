"""A report as text and pictures. Pure; names of a profile are never obeyed by anything."""
