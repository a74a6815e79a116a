"""What is shown: states and statuses become answers. Changes nothing."""
