"""Who may enter by which sign, beside tokens: what the page's cookie says."""
