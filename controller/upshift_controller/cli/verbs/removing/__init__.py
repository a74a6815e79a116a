"""What takes Upshift away for good."""
