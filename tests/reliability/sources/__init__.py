"""Everything that asks for boosts: webhooks that are blocked, and all sources attacked at once."""
