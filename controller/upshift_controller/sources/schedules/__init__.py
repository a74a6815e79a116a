"""Schedules: when cron lines' times come (`moments`), the windows that begin then (`windows`), and who
asks for their leases (`running`).
"""
