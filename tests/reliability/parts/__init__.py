"""What rows share: agents, controllers, when boosts ended, the kill switch."""
