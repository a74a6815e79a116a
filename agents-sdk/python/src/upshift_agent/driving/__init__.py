"""From decisions to the driver. Decides no frequency, and knows nothing of Redis."""
