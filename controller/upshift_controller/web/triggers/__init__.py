"""What is known of what asks for boosts, beside alerts."""
