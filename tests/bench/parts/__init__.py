"""What several rows do: alerts as bodies, floods, the way to the drivers, full stores."""
