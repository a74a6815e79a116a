"""How far a share can be trusted, and which changes to believe. Pure."""
