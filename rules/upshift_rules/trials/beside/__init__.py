"""What a trial has besides alerts: schedules' windows, what guards would say, what is due when."""
