"""How a figure grows with how many there are of something."""
