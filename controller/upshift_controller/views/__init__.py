"""Turns states and statuses into the answers that people see. Changes nothing."""
