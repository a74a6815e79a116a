"""What people see on a terminal: tables, frames, words. No request, no decision."""
