"""New versions of services, as agents report them: watched, decided upon, and made triggers."""
