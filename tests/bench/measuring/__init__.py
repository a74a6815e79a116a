"""Taking figures: rows, their sides, the programs and machine that they run on."""
