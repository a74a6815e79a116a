"""What is made of figures: medians, verdicts, tables, sentences, pictures."""
